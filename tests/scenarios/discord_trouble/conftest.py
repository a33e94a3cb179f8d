"""A house for each test."""

from tests.fakes.discord.moved_in import home, talks

__all__ = ["home", "talks"]
