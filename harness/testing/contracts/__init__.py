"""The contract suites of tasks, methods, backends and expert blocks. A test inherits one. They need pytest."""

import pytest

# So that a failed assertion shows its values, as in a test file.
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("backend", "block", "llm_method", "optimizer", "task")))
