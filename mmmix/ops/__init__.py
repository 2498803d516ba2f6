"""Pure functions of tensors, on any device, without a word from the host. They know nothing else of the project."""
