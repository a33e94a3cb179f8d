"""What is asserted in these modules is told as fully as in a test."""

import pytest

pytest.register_assert_rewrite("tests.scenarios.admins.admins")
