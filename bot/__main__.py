"""The `potluck` command."""


def main() -> None: ...
