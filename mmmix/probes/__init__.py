"""Look into a network without a trace: its modules, its gradients, its attention."""
