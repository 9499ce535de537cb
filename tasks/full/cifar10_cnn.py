"""Vision: a residual network on CIFAR-10. It is narrow by default: one training takes half a minute on a CPU.

The full size is for a GPU, in mixed precision:

    task.params.width=64 task.params.stem_stride=1 task.params.epochs=30
    task.params.train_size=45000 task.params.val_size=5000 task.params.test_size=10000
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common import datasets
from harness.tasks.common.device import mixed_precision, pick_device
from harness.tasks.common.metrics import MULTICLASS, Parts
from harness.tasks.common.schedules import SCHEDULES
from harness.tasks.common.training_loop import Objective, Plan, fit
from harness.tasks.full.cifar10 import CHANNELS, CLASS_COUNT, SIDE, images

# Mean and standard deviation of each channel of the training images; pixel values are 0..255.
MEAN, DEVIATION = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)
STAGES, BLOCKS_PER_STAGE = 4, 2


class OnCifar10(datasets.OnPublicData):
    """The images and the size of the network. `data_set` is `cifar10`, or `cifar10_subset` when only that is in the mirror."""

    def __init__(  # noqa: PLR0913 - the sizes of one experiment
        self,
        space: Space,
        card: TaskCard,
        *,
        data_set: str = "cifar10",
        device: str = "auto",
        width: int = 8,
        stem_stride: int = 2,
        train_size: int = 8_000,
        val_size: int = 2_000,
        test_size: int = 2_000,
    ) -> None:
        self.space = space
        self.card = card
        self._shape = (width, stem_stride)
        self._device = pick_device(device)
        self._rows = images(data_set, Parts(train_size, val_size, test_size))
        self.parts = self._rows.parts

    @staticmethod
    def needed(params: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the data sets."""
        return (str(params.get("data_set", "cifar10")),)


class Cifar10Cnn(OnCifar10):
    """Classify colour images. `sizes`: see OnCifar10."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 6, **sizes: Any) -> None:
        super().__init__(space, card, **sizes)
        self._epochs = epochs

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        plan = Plan(self._epochs, int(config["batch_size"]), SCHEDULES[str(config["schedule"])])
        loss = partial(functional.cross_entropy, label_smoothing=float(config["label_smoothing"]))
        return fit(
            lambda: PixelNetwork(config, self._shape, self._device), self._rows, Objective(loss, MULTICLASS), plan, config, seed
        )


class PixelNetwork(nn.Module):
    """A network that maps bytes on the CPU to logits on the CPU; it computes on `device`, in bfloat16 if the device supports it.

    It pools by `global_pool` and drops the share `dropout_rate` of its last features where the configuration has these.

    Random numbers are drawn on the CPU, so that a seed gives the same augmentation on every device.
    """

    def __init__(self, config: Config, shape: tuple[int, int], device: torch.device) -> None:
        super().__init__()
        self._padding, self._flip = int(config["crop_padding"]), bool(config["flip"])
        self._device = device
        self._mean, self._deviation = (torch.tensor(c, device=device).view(1, -1, 1, 1) for c in (MEAN, DEVIATION))
        made = residual_network(*shape, pool=str(config.get("global_pool", "avg")), dropout=float(config.get("dropout_rate", 0.0)))
        network: nn.Module = made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = network.to(device)
        if device.type == "cuda":
            torch.backends.cudnn.deterministic = True

    def forward(self, pixels: Tensor) -> Tensor:
        """Map bytes, shape (n, 3, 32, 32), to logits, shape (n, 10)."""
        if self.training:
            pixels = augmented(pixels, self._padding, self._flip)
        scaled = (pixels.to(self._device, non_blocking=True).float() - self._mean) / self._deviation
        with mixed_precision(self._device):
            logits: Tensor = self._network(scaled.contiguous(memory_format=torch.channels_last))
        return logits.float().cpu()


def augmented(pixels: Tensor, padding: int, flip: bool) -> Tensor:
    """Return randomly augmented images, shape (n, 3, 32, 32) (He et al. 2016).

    Each image is padded with `padding` black pixels on each side and cropped at a random place. With `flip`, half of them are mirrored.
    """
    count = len(pixels)
    rows, columns = (torch.randint(2 * padding + 1, (count, 1)) + torch.arange(SIDE) for _ in range(2))
    mirrored = (torch.rand(count, 1) < 0.5) & torch.tensor(flip)
    columns = torch.where(mirrored, columns.flip(1), columns)
    bordered = functional.pad(pixels, (padding,) * 4)
    image, channel = torch.arange(count)[:, None, None, None], torch.arange(CHANNELS)[None, :, None, None]
    return bordered[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def residual_network(width: int, stem_stride: int, *, pool: str = "avg", dropout: float = 0.0) -> nn.Module:
    """Return ResNet-18 for small images (He et al. 2016), with `width` channels instead of 64 in its first stage.

    `pool`: `max` pools the last feature maps by their maximum, any other word by their mean. `dropout` is the share of the last features
    that is dropped in training; 0 for no such layer.
    """
    layers: list[nn.Module] = [nn.Conv2d(CHANNELS, width, 3, stem_stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    channels = width
    for stage in range(STAGES):
        for block in range(BLOCKS_PER_STAGE):
            stride = 2 if stage and not block else 1
            layers.append(ResidualBlock(channels, width * 2**stage, stride))
            channels = width * 2**stage
    pooling = nn.AdaptiveMaxPool2d(1) if pool == "max" else nn.AdaptiveAvgPool2d(1)
    dropping = [nn.Dropout(dropout)] if dropout else []
    network = nn.Sequential(*layers, pooling, nn.Flatten(), *dropping, nn.Linear(channels, CLASS_COUNT))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation. Their output is added to the input, or to its projection if the shape changes."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self._inner = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        changes = stride != 1 or before != after
        self._shortcut = (
            nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)) if changes else nn.Identity()
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map shape (n, before, h, w) to (n, after, h / stride, w / stride)."""
        return functional.relu(self._inner(inputs) + self._shortcut(inputs))
