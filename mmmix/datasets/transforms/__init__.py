"""Part of mmmix."""

__all__: list[str] = []
