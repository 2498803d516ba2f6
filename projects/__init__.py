"""Small projects on top of mmmix; nothing of the package needs them."""
