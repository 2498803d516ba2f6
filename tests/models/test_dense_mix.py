"""DenseMix as a batch augmentation of segmentors and detectors, in a plain loop of MMEngine."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel, ImgDataPreprocessor
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from torch import Tensor, nn

import mmmix
from mmmix import CutMix, DenseMix
from mmmix.core import mix_boxes, mix_label_maps, trace

SIZE = (12, 16)


class Boxes:
    """As mmdet's HorizontalBoxes: a tensor, and a type around it."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor

    def __len__(self) -> int:
        return len(self.tensor)


def samples(n: int, box_type: Any = None) -> list[BaseDataElement]:
    found = []
    for i in range(n):
        boxes = torch.tensor([[1.0, 2.0, 9.0, 8.0], [3.0, 3.0, 5.0, 5.0]]) + i
        instances = InstanceData(labels=torch.tensor([i, 10 + i]))
        instances.bboxes = boxes if box_type is None else box_type(boxes)
        ignored = InstanceData(bboxes=boxes[:1], labels=torch.tensor([i]))
        found.append(BaseDataElement(
            metainfo=dict(img_shape=(10, 10), img_path=f'{i}.png'), gt_instances=instances, ignored_instances=ignored,
            gt_sem_seg=PixelData(data=torch.full((1, *SIZE), i, dtype=torch.uint8))))  # fmt: skip
    return found


@pytest.mark.parametrize('registry', [MODELS, mmmix.registry.MODELS], ids=['mmengine', 'mmmix'])
def test_everything_in_a_sample_is_mixed(registry: Any) -> None:
    """By its name, as preprocessors build it; equal to the pure functions; the samples that are given stay."""
    augment = registry.build(dict(type='mmmix.DenseMix', mixer=dict(type='mmmix.CutMix'), least_visible=0.2))
    images, given = torch.rand(4, 3, *SIZE), samples(4)
    torch.manual_seed(1)
    mixed, found = augment(images, given)
    torch.manual_seed(1)
    sources = trace(CutMix(), images)
    assert torch.equal(mixed, sources.mix.images)
    maps = mix_label_maps(sources, torch.stack([each.gt_sem_seg.data[0] for each in given]))
    boxes = mix_boxes(sources, [each.gt_instances.bboxes for each in given], 0.2)
    ignored = mix_boxes(sources, [each.ignored_instances.bboxes for each in given], 0)
    for i, sample in enumerate(found):
        assert torch.equal(sample.gt_sem_seg.data, maps[i][None]) and sample.gt_sem_seg.data.dtype == torch.uint8
        assert torch.equal(sample.gt_instances.bboxes, boxes[i].boxes)
        assert torch.equal(sample.gt_instances.mix_weights, boxes[i].weights)
        expected = [
            int(given[row].gt_instances.labels[b]) for row, b in zip(boxes[i].image, boxes[i].index, strict=True)
        ]
        assert sample.gt_instances.labels.tolist() == expected
        assert torch.equal(sample.ignored_instances.bboxes, ignored[i].boxes)
        assert sample.img_shape == SIZE and sample.img_path == f'{i}.png'
    for before, after in zip(samples(4), given, strict=True):
        assert torch.equal(before.gt_sem_seg.data, after.gt_sem_seg.data) and after.img_shape == (10, 10)
        assert torch.equal(before.gt_instances.bboxes, after.gt_instances.bboxes)


def test_box_types_and_soft_maps() -> None:
    augment = DenseMix(dict(type='mmmix.Mixup'), form='soft', num_classes=4)
    _, found = augment(torch.rand(4, 3, *SIZE), samples(4, Boxes))
    assert all(isinstance(sample.gt_instances.bboxes, Boxes) for sample in found)
    assert all(sample.gt_sem_seg.data.shape == (4, *SIZE) for sample in found)
    torch.testing.assert_close(found[0].gt_sem_seg.data.sum(0), torch.ones(SIZE))


def test_no_parameters_and_nothing_in_checkpoints() -> None:
    augment = DenseMix(CutMix())
    assert not list(augment.parameters()) and not augment.state_dict()


def test_bad_input_is_told() -> None:
    with pytest.raises(TypeError, match='`mixer` must be one'):
        DenseMix('CutMix')
    with pytest.raises(ValueError, match='num_classes'):
        DenseMix(CutMix(), form='soft')
    with pytest.raises(ValueError, match='DenseMix: `form`'):
        DenseMix(CutMix(), form='hard')
    with pytest.raises(ValueError, match='neither `gt_sem_seg` nor `gt_instances`'):
        DenseMix(CutMix())(torch.rand(2, 3, 4, 4), [BaseDataElement(), BaseDataElement()])
    given = samples(2)
    given[0].gt_instances.masks = torch.zeros(2, *SIZE)
    with pytest.raises(ValueError, match='`masks` of `gt_instances`'):
        DenseMix(CutMix())(torch.rand(2, 3, *SIZE), given)


class Preprocessor(ImgDataPreprocessor):
    """As mmseg's and mmdet's: images are stacked and normalised, then batch augmentations are called in turn."""

    def __init__(self, batch_augments: list[dict], **kwargs: Any):
        super().__init__(**kwargs)
        self.batch_augments = nn.ModuleList([MODELS.build(augment) for augment in batch_augments])

    def forward(self, data: dict, training: bool = False) -> dict:
        data = super().forward(data, training)
        if training:
            for augment in self.batch_augments:
                data['inputs'], data['data_samples'] = augment(data['inputs'], data['data_samples'])
        return data


class Segmentor(BaseModel):
    """One convolution."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, inputs: Tensor, data_samples: list[Any], mode: str = 'loss') -> Any:
        maps = torch.stack([sample.gt_sem_seg.data[0] for sample in data_samples])
        weights = torch.cat([sample.gt_instances.mix_weights for sample in data_samples])
        assert bool((weights > 0).all())
        return dict(loss=nn.functional.cross_entropy(self.conv(inputs), maps.long(), ignore_index=255))


def test_a_plain_loop_of_mmengine(tmp_path: Path) -> None:
    preprocessor = Preprocessor([dict(type='mmmix.DenseMix', mixer=dict(type='mmmix.CutMix', prob=0.5))],
                                mean=[0.0] * 3, std=[1.0] * 3)  # fmt: skip
    data = [dict(inputs=torch.rand(3, *SIZE), data_samples=sample) for sample in samples(4)]
    runner = Runner(
        model=Segmentor(data_preprocessor=preprocessor),
        work_dir=str(tmp_path),
        train_dataloader=dict(dataset=data, batch_size=2, sampler=dict(type='DefaultSampler', shuffle=True),
                              collate_fn=dict(type='pseudo_collate')),
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_scope='mmpretrain',
        experiment_name='dense',
        log_level='ERROR',
    )  # fmt: skip
    before = runner.model.conv.weight.clone()
    runner.train()
    assert not torch.equal(before, runner.model.conv.weight)
