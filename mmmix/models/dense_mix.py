"""Mixing for segmentation and detection, as a batch augmentation of their data preprocessors."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData, PixelData
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor, nn

from ..core import MixedBoxes, Mixer, Sources, check, mix_boxes, mix_label_maps, trace
from ..core.fields import choice, number, whole
from ..core.mixed_boxes import taken
from ..registry import MODELS


@MODELS.register_module()
class DenseMix(nn.Module):
    """Mix images with their label maps and boxes: any mixer that looks at images alone, for mmseg and mmdet.

    It is called as the data preprocessors of OpenMMLab call their batch augmentations, ``inputs, data_samples =
    augment(inputs, data_samples)``, after images were stacked and normalised. Of each data sample it mixes what is
    there: ``gt_sem_seg`` (see :func:`mmmix.core.label_maps.mix_label_maps`), and ``gt_instances`` and
    ``ignored_instances`` (see :func:`mmmix.core.mixed_boxes.mix_boxes`), whose ``bboxes`` may be tensors or mmdet's
    ``HorizontalBoxes``. ``gt_instances`` get ``mix_weights``, the share of each box that is to be seen. Samples that
    were given are not written to. Where a sample says its ``img_shape`` it becomes that of the batch: a partner may
    fill what was padding.

    Mixing the labels of pixels with masks is the use of CutMix for segmentation in `Semi-supervised semantic
    segmentation needs strong, varied perturbations <https://arxiv.org/abs/1906.01916>`_; blending images with the boxes
    of both is that of `Bag of Freebies for Training Object Detection Neural Networks
    <https://arxiv.org/abs/1902.04103>`_. Shares and limits of boxes are ours.

    Args:
        mixer (Mixer | dict): How to mix, or its config. Its ``prob`` says how often.
        form (str): ``'majority'`` or ``'soft'`` label maps; ``gt_sem_seg.data`` is then ``(num_classes, H, W)``.
            Defaults to ``'majority'``.
        num_classes (int, optional): Classes of label maps, needed for ``'soft'``. Defaults to None.
        ignore_index (int): The index of pixels without a label. Defaults to 255.
        least_visible (float): Boxes of which a smaller share is to be seen are dropped, except ignored ones.
            Defaults to 0.1.

    Raises:
        TypeError: If ``mixer`` is none.
        ValueError: If an argument is out of range, or a batch has nothing that could be mixed.

    Example:
        >>> import torch
        >>> from mmengine.structures import BaseDataElement, PixelData
        >>> from mmmix.models import DenseMix
        >>> augment = DenseMix(dict(type='mmmix.CutMix', alpha=1.0))
        >>> samples = [BaseDataElement(gt_sem_seg=PixelData(data=torch.full((1, 8, 8), i))) for i in range(4)]
        >>> images, mixed = augment(torch.rand(4, 3, 8, 8), samples)
        >>> mixed[0].gt_sem_seg.data.shape
        torch.Size([1, 8, 8])
    """

    def __init__(
        self,
        mixer: Mixer | dict,
        form: str = 'majority',
        num_classes: int | None = None,
        ignore_index: int = 255,
        least_visible: float = 0.1,
    ):
        super().__init__()
        # Segmentors and detectors run in scopes of their own.
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            self.mixer: Any = BATCH_AUGMENTS.build(dict(mixer)) if isinstance(mixer, dict) else mixer
        if not isinstance(self.mixer, Mixer):
            raise TypeError(
                f"DenseMix: `mixer` must be one of mmmix's, e.g. dict(type='mmmix.CutMix'), but got {mixer!r}."
            )
        self.form, self.num_classes, self.ignore_index, self.least_visible = check(
            self,
            form=(form, choice('majority', 'soft')),
            num_classes=(num_classes, whole(least=1, optional=True, default=None)),
            ignore_index=(ignore_index, whole(default=255)),
            least_visible=(least_visible, number(default=0.1, least=0, most=1)),
        )
        if form == 'soft' and num_classes is None:
            raise ValueError('DenseMix: soft label maps have a plane for each class: set `num_classes`.')

    def forward(self, inputs: Tensor, data_samples: Sequence[Any]) -> tuple[Tensor, list[Any]]:
        """Mix a batch.

        Args:
            inputs (Tensor): ``(N, C, H, W)`` images.
            data_samples (Sequence[BaseDataElement]): With ``gt_sem_seg``, ``gt_instances`` or both.

        Returns:
            tuple[Tensor, list[BaseDataElement]]: Mixed images and new data samples.
        """
        kinds = [key for key in ('gt_sem_seg', 'gt_instances', 'ignored_instances') if _all_have(data_samples, key)]
        if not {'gt_sem_seg', 'gt_instances'} & set(kinds):
            raise ValueError(
                'DenseMix: the data samples have neither `gt_sem_seg` nor `gt_instances`, all of them alike: load '
                'annotations and pack them. Labels of whole images are mixed by `train_cfg.augments` of a classifier.'
            )
        sources = trace(self.mixer, inputs)
        mixed = [sample.new() for sample in data_samples]
        shape = tuple(sources.mix.images.shape[-2:])
        for sample in mixed:
            if 'img_shape' in sample:
                sample.set_metainfo(dict(img_shape=shape))
        for key in kinds:
            parts = [getattr(sample, key) for sample in data_samples]
            found = self._maps(sources, parts) if key == 'gt_sem_seg' else self._instances(sources, parts, key)
            for sample, part in zip(mixed, found, strict=True):
                setattr(sample, key, part)
        return sources.mix.images, mixed

    def _maps(self, sources: Sources, parts: Sequence[PixelData]) -> list[PixelData]:
        """New label maps; the dimension of the one channel stays."""
        maps = torch.stack([part.data for part in parts])
        if maps.ndim != 4 or maps.shape[1] != 1:
            raise ValueError(
                f'DenseMix: expected `gt_sem_seg.data` of shape (1, H, W) with class indices, but got '
                f'{tuple(maps.shape[1:])}: soft maps can be made, but not mixed again.'
            )
        mixed = mix_label_maps(sources, maps[:, 0], self.form, self.ignore_index, self.num_classes)
        return [PixelData(data=each[None] if self.form == 'majority' else each) for each in mixed]

    def _instances(self, sources: Sources, parts: Sequence[InstanceData], key: str) -> list[InstanceData]:
        """New instances: boxes, labels, shares."""
        for part in parts:
            if unknown := set(part.keys()) - {'bboxes', 'labels'}:
                raise ValueError(
                    f'DenseMix: `{sorted(unknown)[0]}` of `{key}` cannot be mixed: leave it out, e.g. '
                    'LoadAnnotations(with_mask=False).'
                )
        kinds = [type(part.bboxes) for part in parts]
        boxes = [part.bboxes if isinstance(part.bboxes, Tensor) else part.bboxes.tensor for part in parts]
        least = self.least_visible if key == 'gt_instances' else 0.0
        found = mix_boxes(sources, boxes, least)
        return [self._instance(each, kind, parts, key) for each, kind in zip(found, kinds, strict=True)]

    @staticmethod
    def _instance(found: MixedBoxes, kind: Any, parts: Sequence[InstanceData], key: str) -> InstanceData:
        """The instances of one image."""
        boxes: Any = found.boxes if issubclass(kind, Tensor) else kind(found.boxes)
        made = InstanceData(bboxes=boxes, labels=taken([part.labels for part in parts], found))
        if key == 'gt_instances':
            made.mix_weights = found.weights
        return made


def _all_have(samples: Sequence[Any], key: str) -> bool:
    """Whether all samples have it."""
    return bool(samples) and all(key in sample for sample in samples)
