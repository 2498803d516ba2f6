"""KeepAugment in data pipelines: both modes, from registry to training step."""

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.dataset import default_collate, pseudo_collate
from mmengine.registry import DefaultScope, init_default_scope
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import BATCH_AUGMENTS, TRANSFORMS
from mmpretrain.structures import DataSample

from mmmix import KeepPaste, Mix, MixClassifier, SpectralResidual
from mmmix.datasets.transforms import KeepAugment, KeepAutoAugment, KeepCutout, KeepRandAugment

INVERT = [dict(type='Invert', prob=1.0)]
PARTS = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=32),
)
NORMALIZE = dict(mean=[100.0, 110.0, 120.0], std=[50.0, 60.0, 70.0], to_rgb=True)
PASTE = dict(type='mmmix.KeepPaste', length=8, guide=dict(type='mmmix.SpectralResidual'))


def image(height: int = 32, width: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def kept_box(clean: np.ndarray, out: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the pixels that stayed; they must fill their box."""
    stayed = (clean == out).all(2)
    rows, columns = np.flatnonzero(stayed.any(1)), np.flatnonzero(stayed.any(0))
    box = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    assert stayed[box[0] : box[1], box[2] : box[3]].all() and stayed.sum() == (box[1] - box[0]) * (box[3] - box[2])
    return int(box[0]), int(box[1]), int(box[2]), int(box[3])


# --------------------------------------------------------------------------------------------------------- the worker


@pytest.mark.parametrize('tau', [0.0, 0.6, 1.0])
def test_worker_mode_pastes_a_box_that_is_important_enough(tau: float) -> None:
    clean = image(30, 24)
    before = clean.copy()
    importance = SpectralResidual()(torch.from_numpy(clean).permute(2, 0, 1)[None].float())[0, 0].double()
    sums = importance.unfold(0, 9, 1).unfold(1, 7, 1).sum((2, 3))
    transform = KeepAugment(INVERT, guide='spectral_residual', length=(9, 7), tau=tau)
    places = set()
    for _ in range(20):
        out = transform(dict(img=clean, gt_label=3))
        assert out['gt_label'] == 3 and 'clean_view' not in out
        top, bottom, left, right = kept_box(clean, out['img'])
        assert (bottom - top, right - left) == (9, 7)
        assert float(sums[top, left]) >= float(sums.flatten().quantile(tau)) * (1 - 1e-5)
        places.add((top, left))
    assert (len(places) == 1) == (tau == 1.0)
    assert np.array_equal(clean, before), 'the clean image was written to'


def test_a_box_that_does_not_fit_is_the_image() -> None:
    clean = image(6, 40)
    out = KeepAugment(INVERT, guide='fine_grained', length=16)(dict(img=clean))['img']
    top, bottom, left, right = kept_box(clean, out)
    assert (top, bottom, right - left) == (0, 6, 16)


def test_geometry_is_pasted_at_the_same_coordinates() -> None:
    clean = image()
    transform = KeepAugment([dict(type='Translate', magnitude=0.5, prob=1.0)], guide='spectral_residual', length=8)
    out = transform(dict(img=clean))['img']
    stayed = (clean == out).all(2)
    windows = np.lib.stride_tricks.sliding_window_view(stayed, (8, 8)).all((2, 3))
    assert windows.any()


def test_plain_mmcv_compose_under_the_root() -> None:
    """No mmpretrain scope: every type by its own name or by its dotted import path."""
    current = DefaultScope.get_current_instance()
    pipeline = Compose(
        [
            dict(type='mmcv.Resize', scale=(24, 24)),
            dict(
                type='mmmix.datasets.transforms.KeepAugment',
                transforms=[dict(type='mmpretrain.Invert', prob=1.0), dict(type='mmcv.RandomGrayscale', prob=0.0)],
                guide='spectral_residual',
                length=8,
            ),
            dict(type='mmmix.datasets.transforms.KeepCutout', length=4),
        ]
    )
    assert DefaultScope.get_current_instance() is current
    assert pipeline(dict(img=image()))['img'].shape == (24, 24, 3)


def test_every_transform_by_its_scope() -> None:
    for cfg in (
        dict(type='mmmix.KeepAugment', transforms=INVERT),
        dict(type='mmmix.KeepAutoAugment'),
        dict(type='mmmix.KeepRandAugment'),
        dict(type='mmmix.KeepCutout'),
    ):
        transform = TRANSFORMS.build(cfg)
        assert transform(dict(img=image()))['img'].shape == (32, 32, 3)
        assert str(cfg['type']).partition('.')[2] in repr(transform)


@pytest.mark.parametrize('policies', ['imagenet', 'cifar10', 'svhn', [[dict(type='Invert', prob=1.0)]]])
def test_auto_augment_policies(policies) -> None:
    transform = KeepAutoAugment(policies, guide='spectral_residual')
    for seed in range(5):
        out = transform(dict(img=image(seed=seed)))['img']
        assert out.shape == (32, 32, 3) and out.dtype == np.uint8


def test_torchvision_transforms_get_pil_images() -> None:
    clean = image()
    transform = KeepAugment([dict(type='torchvision/RandomInvert', p=1.0)], guide='spectral_residual', length=8)
    kept_box(clean, transform(dict(img=clean))['img'])
    grey = clean[..., :1]
    assert KeepAugment([dict(type='torchvision/RandomInvert', p=1.0)])(dict(img=grey))['img'].shape == (32, 32, 1)


def test_keep_cutout_erases_what_is_least_important() -> None:
    clean = image()
    clean[clean == 128] = 127
    importance = SpectralResidual()(torch.from_numpy(clean).permute(2, 0, 1)[None].float())[0, 0].double()
    mean_mass = 0.0
    for _ in range(60):
        out = KeepCutout(length=8, tau=0.3)(dict(img=clean))['img']
        erased = torch.from_numpy((out == 128).all(2))
        assert 16 <= int(erased.sum()) <= 64
        mean_mass += float((importance * erased).sum() / importance.sum() / erased.float().mean()) / 60
    assert mean_mass < 0.9
    assert np.array_equal(KeepCutout(prob=0.0)(dict(img=clean))['img'], clean)
    tinted = KeepCutout(length=8, fill=(1, 2, 3))(dict(img=clean))['img']
    assert (tinted == (1, 2, 3)).all(2).sum() >= 16


# --------------------------------------------------------------------------------------------------------- the device


def packed(pipeline: list, n: int = 4, **size: int) -> list[dict]:
    compose = [TRANSFORMS.build(cfg) for cfg in pipeline]
    out = []
    for i in range(n):
        results = dict(img=image(seed=i, **size), gt_label=i, sample_idx=i)
        for transform in compose:
            results = transform(results)
        out.append(results)
    return out


PIPELINE = [dict(type='mmmix.KeepAugment', transforms=INVERT), dict(type='PackInputs', algorithm_keys=('clean_view',))]


@pytest.mark.parametrize('collate', [pseudo_collate, default_collate])
@pytest.mark.parametrize('divisor', [1, 24])
def test_two_views_reach_the_device_alike(collate, divisor: int) -> None:
    """Both views go through one preprocessor: to RGB, normalised, padded; and the pasted box is the clean one's."""
    model = MixClassifier(
        **PARTS,
        data_preprocessor=dict(**NORMALIZE, pad_size_divisor=divisor, num_classes=10),
        train_cfg=dict(augments=PASTE),
    ).train()
    seen = []
    model.backbone.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    data = model.data_preprocessor(collate(packed(PIPELINE)), training=True)
    inputs = data['inputs'].clone()
    losses = model.loss(**data)
    assert bool(torch.isfinite(losses['loss']))
    assert float(losses['lam']) == 1 and float(losses['mixed']) == 0
    mixed = seen[-1]
    clean = torch.stack([torch.from_numpy(image(seed=i)).permute(2, 0, 1).flip(0).float() for i in range(4)])
    mean, std = (torch.tensor(NORMALIZE[key]).view(3, 1, 1) for key in ('mean', 'std'))
    clean = torch.nn.functional.pad((clean - mean) / std, (0, inputs.shape[3] - 32, 0, inputs.shape[2] - 32))
    from_clean = (mixed == clean).all(1)
    assert bool(((mixed == inputs).all(1) | from_clean).all())
    assert bool((((mixed == clean) & (mixed != inputs)).any(1).flatten(1).sum(1) > 0).any())
    assert int(from_clean[:, :32, :32].flatten(1).sum(1).min()) >= 0


def test_keep_paste_under_autocast_and_in_a_training_step() -> None:
    model = MixClassifier(
        **PARTS,
        data_preprocessor=dict(**NORMALIZE, num_classes=10),
        train_cfg=dict(augments=dict(type='mmmix.KeepPaste', length=8)),
    ).train()
    data = model.data_preprocessor(pseudo_collate(packed(PIPELINE)), training=True)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model.loss(**data)
    losses['loss'].backward()
    assert model.backbone.conv1.weight.grad is not None


def test_keep_paste_pastes_what_the_model_finds_important() -> None:
    model = MixClassifier(
        **PARTS,
        data_preprocessor=dict(**NORMALIZE, num_classes=10),
        train_cfg=dict(augments=dict(type='mmmix.KeepPaste', length=6, tau=1.0)),
    ).train()
    model.init_weights()
    data = model.data_preprocessor(pseudo_collate(packed(PIPELINE, n=2)), training=True)
    mixer = next(model.mixers())
    masks: list[Mix] = []
    mix = mixer.mix

    def listening(*args: torch.Tensor) -> Mix:
        masks.append(mix(*args))
        return masks[-1]

    mixer.mix = listening
    clean = model.data_preprocessor(dict(inputs=[sample.get('clean_view') for sample in data['data_samples']]))[
        'inputs'
    ]
    importance = mixer.guide(clean, torch.eye(10)[:2])[:, 0].double()
    model.loss(**data)
    for rated, mask in zip(importance, masks[0].mask[:, 0], strict=True):
        best = rated.unfold(0, 6, 1).unfold(1, 6, 1).sum((2, 3)).max()
        assert int((mask == 0).sum()) == 36
        assert float((rated * (1 - mask)).sum()) == pytest.approx(float(best), rel=1e-5)


def test_missing_views_are_errors_that_name_the_pipeline() -> None:
    model = MixClassifier(**PARTS, train_cfg=dict(augments=PASTE)).train()
    samples = [DataSample().set_gt_label(i) for i in range(4)]
    with pytest.raises(ValueError, match=r'KeepAugment.*clean_view'):
        model.loss(torch.rand(4, 3, 32, 32), samples)
    for sample in samples:
        sample.set_field(torch.zeros(3, 16, 16), 'clean_view')
    with pytest.raises(ValueError, match='in front of KeepAugment'):
        model.loss(torch.rand(4, 3, 32, 32), samples)
    with pytest.raises(RuntimeError, match=r'mmmix.MixClassifier'):
        KeepPaste()(torch.rand(4, 3, 32, 32), torch.eye(4))
    stock = ImageClassifier(**PARTS, data_preprocessor=dict(num_classes=10), train_cfg=dict(augments=PASTE))
    with pytest.raises(RuntimeError, match=r'mmmix.MixClassifier'):
        stock.data_preprocessor(pseudo_collate(packed(PIPELINE)), training=True)


def test_worker_mode_works_with_the_stock_classifier() -> None:
    pipeline = [dict(type='mmmix.KeepRandAugment', guide='spectral_residual', length=8), dict(type='PackInputs')]
    model = ImageClassifier(**PARTS, data_preprocessor=NORMALIZE).train()
    data = model.data_preprocessor(pseudo_collate(packed(pipeline)), training=True)
    model.loss(**data)['loss'].backward()


def test_views_of_several_sizes_are_padded_alike() -> None:
    model = MixClassifier(
        **PARTS, data_preprocessor=dict(**NORMALIZE, num_classes=10), train_cfg=dict(augments=PASTE)
    ).train()
    batch = packed(PIPELINE, n=2) + packed(PIPELINE, n=2, height=24, width=28)
    losses = model.loss(**model.data_preprocessor(pseudo_collate(batch), training=True))
    assert bool(torch.isfinite(losses['loss']))


@pytest.mark.parametrize(
    ('build', 'names'),
    [
        (lambda: KeepAugment([]), 'list of transforms'),
        (
            lambda: KeepAugment(dict(type='Invert')),  # type: ignore[arg-type]
            'list of transforms',
        ),
        (lambda: KeepAugment(INVERT, guide='spectral'), 'spectral_residual'),
        (lambda: KeepAugment(INVERT, guide=dict(type='mmmix.InputGradient')), 'workers do not have'),
        (lambda: KeepAugment(INVERT, length=0), 'length=16'),
        (lambda: KeepAutoAugment('cifar10', hparams=dict(pad_val=0)), 'remove them'),
        (lambda: KeepCutout(guide='model'), 'spectral_residual'),
        (lambda: KeepAugment([dict(type='mmcv.Resize', scale=(8, 8))])(dict(img=image())), 'resize, crop'),
    ],
)
def test_bad_arguments_name_the_fix(build, names: str) -> None:
    with pytest.raises(ValueError, match=names):
        build()


def test_seed_decides_the_place() -> None:
    clean, boxes = image(), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        transform = KeepAugment(INVERT, guide='spectral_residual', length=8, tau=0.0)
        boxes.append([kept_box(clean, transform(dict(img=clean))['img']) for _ in range(4)])
    assert boxes[0] == boxes[1] != boxes[2]


def test_rand_augment_arguments_reach_it() -> None:
    with pytest.raises(AssertionError):
        KeepRandAugment(num_policies=0)
    init_default_scope('mmpretrain')
    assert BATCH_AUGMENTS.build(PASTE).length == 8
