"""What every task, method, backend and expert block must hold to: suites that a test inherits. They need pytest."""

import pytest

# So that a failure shows the values, as in a test's own file.
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("backend", "block", "optimizer", "task")))
