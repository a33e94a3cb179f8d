"""What is asserted in these modules is told as fully as in a test."""

import pytest

pytest.register_assert_rewrite(
    "tests.contract.commands.bad_input",
    "tests.contract.commands.playing",
    "tests.contract.commands.cases_about_members",
    "tests.contract.commands.cases_of_admins",
    "tests.contract.commands.cases_of_members",
)
