"""Heads that know how images were mixed, on parameters that lie in parts on several ranks."""

from torch import nn

from ...probes.sharding import in_groups


def refuse_own_group(head: nn.Module) -> None:
    """Refuse a head that ``fully_shard`` gave a group of its own: its parameters are whole in its ``forward`` alone.

    Args:
        head (nn.Module): One with ``loss_mix``.

    Raises:
        RuntimeError: If it has one.
    """
    if head in in_groups(head):
        raise RuntimeError(
            'A head with `loss_mix`, such as SUMixHead, works with its parameters there, where a group of its own is '
            'in parts: leave out `fully_shard(model.head)`, so that the head belongs to the group of the classifier.'
        )
