"""One row per mixer: what the generic tests of the seven laws run over.

A new mixer adds its row here; ``test_table.py`` fails for a mixer without one.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor, nn

from mmmix.core import Part
from mmmix.core.clean_loss import CleanLoss


@dataclass(frozen=True)
class Row:
    """A mixer under test.

    Attributes:
        name: Its registered name, without the scope.
        args: Arguments beside ``lam_mode`` and ``prob``.
        lam_modes: The modes that it offers.
        area_label: Whether the label shares are the areas in the mask (law 1).
        partner_as_is: Whether partner pixels go into the mix as they are, not resized or aligned.
        pair_label: Whether a label is made of the own one and one partner's, and no more.
        sums_to_one: Whether the shares of a label add up to 1.
        blends: Whether mixed pixels are own and partner pixels by the shares in the mask.
        random: Whether two seeds give two results even if nothing but the mask is drawn.
        image_size: Height and width that the laws use; not square unless the method needs it.
        tag: Tells apart several rows of one mixer.
        mode_name: What the mixer calls its ``lam_mode``.
    """

    name: str
    args: dict[str, Any] = field(default_factory=dict)
    lam_modes: tuple[str, ...] = ('batch', 'elem')
    area_label: bool = True
    partner_as_is: bool = True
    pair_label: bool = True
    sums_to_one: bool = True
    blends: bool = True
    random: bool = True
    image_size: tuple[int, int] = (24, 20)
    tag: str = ''
    mode_name: str = 'lam_mode'

    def config(self, **overrides: Any) -> dict[str, Any]:
        """Its config; ``lam_mode`` by the name that it has there."""
        if 'lam_mode' in overrides:
            overrides[self.mode_name] = overrides.pop('lam_mode')
        return {'type': f'mmmix.{self.name}', **self.args, **overrides}

    def build(self, **overrides: Any):
        """The mixer, with a small network to look at if it wants one."""
        mixer = BATCH_AUGMENTS.build(self.config(**overrides))
        if any(part.needs_model for part in mixer.parts()):
            mixer.bind(network_for(mixer))
        return mixer

    def __str__(self) -> str:
        return self.name + (f'-{self.tag}' if self.tag else '')


class TinyNet(nn.Module):
    """A classifier for any image with any number of channels: logits ``(N, classes)``."""

    def __init__(self, classes: int = 8):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv = nn.Conv2d(1, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.fc = nn.Linear(4, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Channels are averaged first, so that their number does not matter."""
        maps = self.norm(self.conv(images.mean(1, keepdim=True))).relu()
        return self.fc(maps.mean((2, 3)) + maps.amax((2, 3)))

    def clean_views(self, images: Tensor) -> Tensor:
        """What a classifier hands to KeepPaste; here the images are the mirrored view of something else."""
        return images.flip(3)


class TinyClassifier(nn.Module):
    """A network of backbone and head, which keeps what mixers learn."""

    def __init__(self, classes: int = 8):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.backbone = nn.Sequential(Grey(), nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
            self.head = TinyHead(classes)
        self.num_classes = classes
        self.learned = nn.ModuleDict()

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.backbone(images))


class Grey(nn.Module):
    """The mean over the channels, so that their number does not matter."""

    def forward(self, images: Tensor) -> Tensor:
        """One channel."""
        return images.mean(1, keepdim=True)


class TinyHead(nn.Module):
    """Average pooling and a linear layer."""

    def __init__(self, classes: int):
        super().__init__()
        self.fc = nn.Linear(4, classes)

    def pre_logits(self, maps: Tensor) -> Tensor:
        """Average pooling."""
        return maps.mean((2, 3))

    def forward(self, maps: Tensor) -> Tensor:
        """Logits."""
        return self.fc(self.pre_logits(maps))


def network_for(mixer: Any) -> nn.Module:
    """A small network for a mixer to look at, with what its parts learn."""
    # Those that look with what they learn keep it up with the network before each step; a loss on clean images asks for
    # a network that adds losses.
    learners = [
        part
        for part in mixer.parts()
        if part.learns and (type(part).begin_step is not Part.begin_step or isinstance(part, CleanLoss))
    ]
    if not learners:
        return TinyNet()
    network = TinyClassifier()
    for part in learners:
        network.learned[part.learns] = part.build_learned(network)
    return network


_KEEP = dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.InputGradient'), tau=0.6)

TABLE: tuple[Row, ...] = (
    Row('Mixup'),
    Row('CutMix'),
    Row('CutMix', dict(keep=_KEEP), tag='keep'),
    Row('CutMix', dict(cutmix_minmax=(0.2, 0.8)), tag='minmax'),
    Row('CutMix', dict(labels=dict(type='mmmix.DrawnShare')), area_label=False, tag='drawn'),
    Row('Cutout', dict(length=8), area_label=False),
    Row('RandomErasing', area_label=False),
    Row('KeepCutout', dict(length=(6, 9)), area_label=False),
    Row('KeepRandomErasing', dict(fill=0.5), area_label=False),
    Row('KeepCutMix'),
    Row('KeepPaste', dict(length=8), area_label=False),
    Row('HardMix'),
    Row('HardMix', dict(guide=dict(type='mmmix.InputGradient')), tag='guide'),
    Row('AdAutoMix', dict(features='backbone'), area_label=False, pair_label=False),
    Row('AdAutoMix', dict(features='backbone', labels=dict(type='mmmix.Area')), pair_label=False, tag='area'),
    Row('AdAutoMix', dict(features='backbone', n_images=2), area_label=False, tag='pairs'),
    Row('AlignMix'),
    Row('AttentiveMix', dict(guide=dict(type='mmmix.SpectralResidual'), grid=4)),
    Row('AttentiveMix', dict(guide=dict(type='mmmix.InputGradient'), top_k=20), tag='gradient'),
    Row('AutoMix', dict(features='backbone'), area_label=False),
    Row('AutoMix', dict(features='backbone', labels=dict(type='mmmix.Area'), mask_adjust=0.5), tag='area'),
    Row('SAMix', dict(features='backbone'), area_label=False),
    Row('CoMixup', dict(part=3, iterations=2), pair_label=False),
    Row('CutThumbnail', partner_as_is=False),
    Row('FMix'),
    Row('FMix', dict(max_soft=0.3, alpha=0.4), tag='soft'),
    Row('FMix', dict(spectrum='two_columns'), tag='columns'),
    Row('GridHoles'),
    Row('GridMask', dict(d_range=(6, 12)), area_label=False),
    Row('GridMask', dict(rotate=0, fill='random'), area_label=False, tag='upright'),
    Row('GridMix', dict(grid=3)),
    Row('GuidedMixup', random=False),
    Row('GuidedMixup', dict(partners=dict(type='mmmix.Permutation')), tag='permutation'),
    Row('ManifoldMix'),
    Row('MaskMix', dict(mask_size=7)),
    Row('MergeMix', dict(patch_size=3, guide=dict(type='mmmix.SpectralResidual'))),
    Row('MixPro', dict(mask_size=6)),
    Row('MixStyle', dict(prob=1.0), area_label=False, blends=False),
    Row('MoEx', dict(prob=1.0), area_label=False, blends=False),
    Row('MoEx', dict(prob=1.0, norm='instance'), area_label=False, blends=False, tag='instance'),
    Row('Mosaic', pair_label=False, partner_as_is=False),
    Row('PuzzleMix', partner_as_is=False),
    Row('PuzzleMix', dict(n_labels=2, transport=False, blocks=(3,)), tag='cut'),
    Row('PuzzleMix', dict(blocks=(2, 4), t_size=3, t_eps=0.05), partner_as_is=False, tag='pieces'),
    Row('RecursiveMix', partner_as_is=False),
    Row('RegMixup'),
    Row('ResizeMix', partner_as_is=False),
    Row('ResizeMix', dict(alpha=1, interpolation='nearest'), partner_as_is=False, tag='nearest'),
    Row('ResizeMix', dict(inside=False), partner_as_is=False, tag='cut'),
    Row('ResizeMix', dict(lam_min=0.1, lam_max=0.8, squeeze=True), partner_as_is=False, tag='squeeze'),
    Row('ResizeMix', dict(cutmix_minmax=(0.2, 0.8)), partner_as_is=False, tag='minmax'),
    Row('RICAP', pair_label=False, partner_as_is=False),
    Row('SaliencyMix'),
    Row('SaliencyMix', dict(alpha=0.2, guide=dict(type='mmmix.InputGradient')), tag='gradient'),
    Row('SaliencyGrafting', area_label=False),
    Row(
        'SnapMix',
        dict(guide=dict(type='mmmix.ClassActivation', at='norm', classifier='fc')),
        area_label=False,
        partner_as_is=False,
        sums_to_one=False,
    ),
    Row('SMMix', dict(patch_size=3, guide=dict(type='mmmix.InputGradient')), partner_as_is=False),
    Row('SmoothMix'),
    Row('StackMix', partner_as_is=False),
    Row('StackMix', dict(axis='height'), partner_as_is=False, image_size=(23, 20), tag='odd'),
    Row(
        'TimmMixup',
        dict(cutmix_alpha=1.0, label_smoothing=0.0, num_classes=None),
        lam_modes=('batch', 'elem', 'pair'),
        mode_name='mode',
    ),
    Row(
        'TimmMixup',
        dict(cutmix_minmax=(0.2, 0.8), mixup_alpha=0, label_smoothing=0.0, num_classes=None),
        lam_modes=('batch', 'pair'),
        mode_name='mode',
        tag='minmax',
    ),
    Row('TokenMix', dict(patch_size=3, min_tokens=4, guide=dict(type='mmmix.SpectralResidual')), area_label=False),
    Row('TokenMix', dict(patch_size=4, share=None, labels=dict(type='mmmix.Area')), tag='area'),
)

CASES = [(row, mode) for row in TABLE for mode in row.lam_modes]
IDS = [f'{row}-{mode}' for row, mode in CASES]
