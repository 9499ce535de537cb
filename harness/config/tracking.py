"""Where the settings of W&B come from: the command line, else W&B's own variables, else the defaults."""

from __future__ import annotations

import os

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from harness.config import schema
from harness.config.values import Tracking
from harness.errors import SettingsError

# The file that conf/config.yaml chooses: W&B's variables count where nobody chose another.
DEFAULT_TRACKING = "wandb_offline"
WANDB_MODES = {"online": "online", "run": "online", "offline": "offline", "dryrun": "offline", "disabled": "off"}


def tracking_of(typed: schema.TrackingSettings, config: DictConfig) -> Tracking:
    """Return the settings of W&B: those that were given, else W&B's own variables, else the defaults. Raises SettingsError."""
    given, chosen = _given(config)
    mode, project, entity = typed.mode.name, typed.project, typed.entity
    if chosen == DEFAULT_TRACKING and not given & {"tracking", "tracking.mode"}:
        mode = _mode_of_the_environment() or mode
    if "tracking.project" not in given and project == schema.TrackingSettings().project:
        project = os.environ.get("WANDB_PROJECT", "").strip() or project
    if "tracking.entity" not in given and entity is None:
        entity = os.environ.get("WANDB_ENTITY", "").strip() or None
    return Tracking(mode, project, entity)


def _given(config: DictConfig) -> tuple[set[str], str]:
    """Return the keys of `tracking` that the command line gives, and the file of conf/tracking that is chosen."""
    own = config.get("hydra")
    if own is None and HydraConfig.initialized():  # a job's config is without it
        own = HydraConfig.get()
    if own is None:
        return set(), DEFAULT_TRACKING
    keys = {str(entry).lstrip("+").partition("=")[0] for entry in own.overrides.task or ()}
    chosen = own.runtime.choices.get("tracking", DEFAULT_TRACKING)
    return {key for key in keys if key.partition(".")[0] == "tracking"}, str(chosen)


def _mode_of_the_environment() -> str | None:
    value = os.environ.get("WANDB_MODE", "").strip()
    if not value:
        return "off" if os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes", "on") else None
    try:
        return WANDB_MODES[value.lower()]
    except KeyError:
        raise SettingsError(
            f"WANDB_MODE={value}: must be online, offline or disabled; unset it, or give tracking=wandb_online, wandb_offline or off"
        ) from None
