"""What other packages call the weights of mmpretrain's networks: tables of names, and the one order that differs."""

import re
from collections.abc import Iterable, Sequence

from torch import Tensor

#: Patterns and what stands in their place, each tried on every key in turn; None drops the key.
Rules = Sequence[tuple[str, str | None]]

#: The names of torchvision's ResNets are mmpretrain's.
TORCHVISION_RESNET: Rules = ()

#: detectron2 keeps each norm in its convolution, counts stages by their stride and has no counter of batches.
DETECTRON2_RESNET: Rules = (
    (r'num_batches_tracked$', None),
    (r'^(conv1|bn1)\.', r'stem.\1.'),
    (r'^layer1\.', 'res2.'),
    (r'^layer2\.', 'res3.'),
    (r'^layer3\.', 'res4.'),
    (r'^layer4\.', 'res5.'),
    (r'\bbn(\d)\.', r'conv\1.norm.'),
    (r'\bdownsample\.0\.', 'shortcut.'),
    (r'\bdownsample\.1\.', 'shortcut.norm.'),
)

#: Three convolutions with their norms, counted with the activations between them.
DEEP_STEM: Rules = tuple(
    (rf'^stem\.{i}\.{ours}\.', rf'{{}}.{3 * i + j}.') for i in range(3) for j, ours in enumerate(('conv', 'bn'))
)
#: mmdet's deep stem keeps its name.
MMDET_DEEP_STEM: Rules = tuple((pattern, str(name).format('stem')) for pattern, name in DEEP_STEM)
#: timm's is ``conv1``, and the norm of its last convolution the one behind it.
TIMM_DEEP_STEM: Rules = (
    *((pattern, str(name).format('conv1')) for pattern, name in DEEP_STEM),
    (r'^conv1\.7\.', 'bn1.'),
)
#: mmdet and timm count a pooling in front of the first shortcut, where mmpretrain has none as there is nothing to pool.
POOLED_SHORTCUT: Rules = (
    (r'^(layer1\.0\.downsample)\.1\.', r'\1.2.'),
    (r'^(layer1\.0\.downsample)\.0\.', r'\1.1.'),
)
#: Squeeze and excitation.
TIMM_SQUEEZE: Rules = ((r'\bse_layer\.conv(\d)\.conv\.', r'se.fc\1.'),)

#: Of a layer of a transformer.
TIMM_LAYER: Rules = (
    (r'\bffn\.layers\.0\.0\.', 'mlp.fc1.'),
    (r'\bffn\.layers\.1\.', 'mlp.fc2.'),
    (r'\bpatch_embed\.projection\.', 'patch_embed.proj.'),
)
TIMM_VIT: Rules = (
    (r'^layers\.', 'blocks.'),
    (r'^(blocks\.\d+)\.ln', r'\1.norm'),
    (r'^ln1\.', 'norm.'),
    *TIMM_LAYER,
)
#: What else a head has, as SUMix's does, is for training alone.
TIMM_VIT_HEAD: Rules = ((r'^(?!layers\.)', None), (r'^layers\.', ''))
#: timm merges patches in front of a stage, mmpretrain behind the one before.
TIMM_SWIN: Rules = (
    (r'\b(relative_position_index|attn_mask)$', None),
    *((rf'^stages\.{i}\.downsample\.', f'layers.{i + 1}.downsample.') for i in reversed(range(3))),
    (r'^stages\.', 'layers.'),
    (r'\battn\.w_msa\.', 'attn.'),
    (r'^norm3\.', 'norm.'),
    *TIMM_LAYER,
)
TIMM_SWIN_HEAD: Rules = ((r'^fc\.', 'head.fc.'),)


def renamed(state: dict[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """The same tensors under other names.

    Args:
        state (dict[str, Tensor]): What is there.
        rules (Sequence[tuple[str, str | None]]): Patterns and what stands in their place; None drops a key.

    Returns:
        dict[str, Tensor]: In the order of ``state``.

    Raises:
        ValueError: If two keys would become one.

    Example:
        >>> import torch
        >>> from mmmix.engine.foreign_names import DETECTRON2_RESNET, renamed
        >>> list(renamed({'layer1.0.bn2.bias': torch.zeros(1)}, DETECTRON2_RESNET))
        ['res2.0.conv2.norm.bias']
    """
    found: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name: str | None = key
        for pattern, replacement in rules:
            if name is None or not re.search(pattern, name):
                continue
            name = None if replacement is None else re.sub(pattern, replacement, name)
        if name in found:
            raise ValueError(f'{key!r} and another key would both be {name!r}.')
        if name is not None:
            found[name] = tensor
    return found


def merged_by_columns(state: dict[str, Tensor], keys: Iterable[str]) -> dict[str, Tensor]:
    """Weights over four merged patches, from the order of ``nn.Unfold`` to Swin's own.

    mmpretrain has, for each channel, four pixels row by row; Swin's authors and timm have, pixel by pixel, column by
    column, all channels.

    Args:
        state (dict[str, Tensor]): What is there.
        keys (Iterable[str]): Which of them: ``(..., 4 * C)``.

    Returns:
        dict[str, Tensor]: With these tensors in the other order.
    """
    found = dict(state)
    for key in keys:
        weight = state[key]
        rows = weight.unflatten(-1, (-1, 2, 2))  # channel, row, column
        found[key] = rows.movedim((-3, -2, -1), (-1, -2, -3)).flatten(-3).contiguous()
    return found
