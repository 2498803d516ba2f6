"""AugMix: its mixtures, its views on their way into the network, and its loss beside a slow one."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.dataset import default_collate, pseudo_collate
from mmpretrain.registry import TRANSFORMS
from mmpretrain.structures import DataSample
from PIL import Image, ImageOps

from mmmix import AugMix, JensenShannonLoss, MixClassifier
from mmmix.datasets.transforms import operations as ops

SIZE = (24, 20)
NETWORK = dict(
    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
)
HEAD = dict(type='mmpretrain.LinearClsHead', num_classes=4, in_channels=32, loss=dict(type='mmmix.JensenShannonLoss'))


def image(seed: int = 0, channels: tuple[int, ...] = (3,)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, *channels), dtype=np.uint8)


# ------------------------------------------------------------------------------------------------------- the operations


def transformed(picture: Image.Image, *matrix: float) -> Image.Image:
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR)


def smooth() -> Image.Image:
    """A picture without noise: bilinear weights at 1e-7 from each other then round to the same grey level."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return Image.fromarray(np.stack([8 * y, 10 * x, 4 * (x + y)], 2).astype(np.uint8))


@pytest.mark.parametrize(
    ('name', 'level', 'expected'),
    [
        ('autocontrast', 0.2, lambda p: ImageOps.autocontrast(p)),
        ('equalize', 0.2, lambda p: ImageOps.equalize(p)),
        ('posterize', 0.29, lambda p: ImageOps.posterize(p, 3)),
        ('posterize', 0.2, lambda p: ImageOps.posterize(p, 4)),
        ('solarize', 0.3, lambda p: ImageOps.solarize(p, 256 - 76)),
        ('rotate', 0.3, lambda p: p.rotate(9, resample=Image.Resampling.BILINEAR)),
        ('shear_x', 0.3, lambda p: transformed(p, 1, 0.09, 0, 0, 1, 0)),
        ('shear_y', 0.3, lambda p: transformed(p, 1, 0, 0, 0.09, 1, 0)),
        ('translate_x', 0.3, lambda p: transformed(p, 1, 0, 2, 0, 1, 0)),
        ('translate_y', 0.3, lambda p: transformed(p, 1, 0, 0, 0, 1, 2)),
    ],
)
def test_an_operation_is_that_of_the_authors(name: str, level: float, expected: Any) -> None:
    """With both signs there are two results, of which one is theirs with a positive number."""
    picture, found = smooth(), set()
    for seed in range(12):
        torch.manual_seed(seed)
        found.add(ops.GEOMETRY_AND_TONE[name](picture, level).tobytes())
    assert len(found) == (2 if name in ops.MOVERS else 1)
    wanted = np.asarray(expected(picture)).astype(int)
    arrays = [np.frombuffer(each, np.uint8).reshape(wanted.shape).astype(int) for each in found]
    assert min(np.abs(array - wanted).max() for array in arrays) <= 1


def test_levels_are_uniform_up_to_the_severity() -> None:
    seen: list[float] = []

    def note(picture: Image.Image, level: float) -> Image.Image:
        seen.append(level)
        return picture

    among = [note]
    torch.manual_seed(0)
    for _ in range(2000):
        ops.changed(smooth(), among, 3.0)
    assert min(seen) >= 0.01 and max(seen) <= 0.3
    assert np.mean(seen) == pytest.approx(0.155, abs=0.005)
    assert np.quantile(seen, 0.25) == pytest.approx(0.01 + 0.29 / 4, abs=0.01)


def test_nothing_overlaps_with_corruptions_unless_asked() -> None:
    assert len(AugMix().operations) == 9 and len(AugMix(all_ops=True).operations) == 13
    for name, op in ops.LIKE_CORRUPTIONS.items():
        assert op(smooth(), 0.5).size == smooth().size, name
        assert np.abs(np.asarray(op(smooth(), 0.5), int) - np.asarray(smooth(), int)).max() <= 1, 'half is no change'
        assert op(Image.fromarray(image()), 0.05).tobytes() != image().tobytes(), name


# ---------------------------------------------------------------------------------------------------------- the mixture


def test_a_mixture_is_convex_in_image_and_chains() -> None:
    """Chains that give one grey each: the mixture is (1 - m) image + m sum w_i grey_i, by the draws themselves."""
    transform = AugMix(width=3, depth=(1, 1))
    greys = iter(range(1, 10**6))
    used: list[int] = []

    def grey(picture: Image.Image, level: float) -> Image.Image:
        used.append(40 * (next(greys) % 5))
        return Image.new('RGB', picture.size, (used[-1],) * 3)

    transform.operations = [grey]
    clean = image()
    shares = []
    for seed in range(300):
        torch.manual_seed(seed)
        used.clear()
        mixed = transform.mixture(Image.fromarray(clean), clean).astype(float)
        assert len(used) == 3
        # Regress the mixture on the image: the slope is 1 - m, what is left the mean of the greys times m.
        slope, rest = np.polyfit(clean.ravel().astype(float), mixed.ravel(), 1)
        assert -0.01 <= slope <= 1.01
        assert slope > 0.9 or min(used) - 1 <= rest / (1 - slope) <= max(used) + 1
        shares.append(slope)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05) and np.std(shares) == pytest.approx(12**-0.5, abs=0.03)


def test_depth_and_width_are_as_asked() -> None:
    counts: list[float] = []
    transform = AugMix(width=2, depth=(2, 4))

    def count(picture: Image.Image, level: float) -> Image.Image:
        counts.append(level)
        return picture

    transform.operations = [count]
    lengths = set()
    for seed in range(60):
        torch.manual_seed(seed)
        counts.clear()
        transform.mixture(Image.fromarray(image()), image())
        lengths.add(len(counts))
    assert lengths == {4, 5, 6, 7, 8}
    # What no operation changes is the image.
    assert np.array_equal(transform(dict(img=image()))['views'][0].numpy(), image().transpose(2, 0, 1))


@pytest.mark.parametrize('channels', [(3,), (1,), ()], ids=['colour', 'one', 'grey'])
def test_views_travel_along_or_take_the_place(channels: tuple[int, ...]) -> None:
    clean = image(channels=channels)
    before = clean.copy()
    torch.manual_seed(1)
    out = AugMix()(dict(img=clean, gt_label=2))
    assert np.array_equal(out['img'], before) and out['gt_label'] == 2
    assert out['views'].shape == (2, channels[0] if channels else 1, *SIZE) and out['views'].dtype == torch.uint8
    assert not torch.equal(out['views'][0], out['views'][1])
    alone = AugMix(views=0)(dict(img=clean))
    assert alone['img'].shape == clean.shape and alone['img'].dtype == np.uint8 and 'views' not in alone
    assert np.array_equal(clean, before)
    torch.manual_seed(1)
    assert torch.equal(AugMix()(dict(img=clean))['views'], out['views'])


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (dict(views=-1), '`views` must be a whole number of at least 0'),
        (dict(severity=0.1), '`severity` must lie in'),
        (dict(depth=(3, 1)), '`depth` must'),
        (dict(alpha=0), '`alpha` must be a number above 0'),
        (dict(width=0), '`width` must be a whole number of at least 1'),
        (dict(all_ops=1), '`all_ops` must be True or False'),
    ],
)
def test_bad_arguments_are_refused(args: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        TRANSFORMS.build(dict(type='mmmix.AugMix', **args))
    assert '\n' not in str(caught.value)


def test_floats_and_boxes_are_refused() -> None:
    with pytest.raises(TypeError, match='images of bytes'):
        AugMix()(dict(img=image().astype(np.float32)))
    with pytest.raises(ValueError, match='move pixels but not `gt_bboxes`'):
        AugMix()(dict(img=image(), gt_bboxes=np.zeros((1, 4))))


# ------------------------------------------------------------------------------------------------------------- the loss


def slow_loss(logits: torch.Tensor, scores: torch.Tensor, weight: float) -> float:
    """Image by image and class by class, in double precision."""
    views, count, classes = logits.shape
    prob = logits.double().softmax(2)
    total = 0.0
    for i in range(count):
        for k in range(classes):
            total -= float(scores[i, k]) * float(prob[0, i, k].log()) / count
            mean = min(max(sum(float(prob[v, i, k]) for v in range(views)) / views, 1e-7), 1.0)
            for v in range(views):
                p = float(prob[v, i, k])
                total += weight * (p * np.log(p) - p * np.log(mean) if p else 0.0) / views / count
    return total


@pytest.mark.parametrize('views', [2, 3, 4])
@pytest.mark.parametrize('scale', [0.1, 1.0, 12.0])
def test_the_loss_is_that_of_a_slow_loop(views: int, scale: float) -> None:
    torch.manual_seed(views)
    logits, scores = scale * torch.randn(views, 5, 7), torch.rand(5, 7).softmax(1)
    found = JensenShannonLoss(weight=12.0)(logits.flatten(0, 1).double(), scores.double())
    assert float(found) == pytest.approx(slow_loss(logits, scores, 12.0), abs=1e-6)


def test_the_loss_is_that_of_kl_div_with_its_gradient() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 6, 10, dtype=torch.double, requires_grad=True)
    labels = torch.randint(10, (6,))
    parts = logits.softmax(2)
    mean = parts.mean(0).clamp(1e-7, 1).log()
    theirs = F.cross_entropy(logits[0], labels) + 12 * sum(F.kl_div(mean, p, reduction='batchmean') for p in parts) / 3
    wanted = torch.autograd.grad(theirs, logits)[0]
    ours = JensenShannonLoss()(logits.flatten(0, 1), labels)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    torch.testing.assert_close(torch.autograd.grad(ours, logits)[0], wanted, rtol=0, atol=1e-10)


def test_a_loss_of_half_precision_is_that_of_float32() -> None:
    logits = 30 * torch.randn(6, 5)
    labels = torch.tensor([1, 2])
    half = JensenShannonLoss(weight=1.0)(logits.bfloat16().float(), labels)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        cast = JensenShannonLoss(weight=1.0)(logits.bfloat16(), labels)
    assert torch.isfinite(cast) and float(cast) == pytest.approx(float(half), rel=2e-2)


# ------------------------------------------------------------------------------------------------ inside the classifier


def packed(count: int = 4, views: int = 2) -> dict[str, Any]:
    pipeline = [TRANSFORMS.build(dict(type='mmmix.AugMix', views=views)),
                TRANSFORMS.build(dict(type='PackInputs', algorithm_keys=('views',)))]  # fmt: skip
    items = []
    for i in range(count):
        results: Any = dict(img=image(i), gt_label=i % 4, sample_idx=i)
        for transform in pipeline:
            results = transform(results)
        items.append(results)
    return pseudo_collate(items)


def model(**rest: Any) -> Any:
    torch.manual_seed(0)
    norm = dict(mean=[120.0, 121.0, 122.0], std=[60.0, 61.0, 62.0])
    return MixClassifier(**NETWORK, head=HEAD, data_preprocessor=norm, **rest)


def test_views_go_through_the_network_with_the_images() -> None:
    """The loss is that of one pass over the clean images and both views, by hand."""
    net, batch = model().train(), packed()
    data = net.data_preprocessor(batch, training=True)
    seen: list[torch.Tensor] = []
    handle = net.backbone.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    losses = net.loss(data['inputs'], data['data_samples'])
    handle.remove()
    sent = torch.stack([sample.get('views') for sample in batch['data_samples']])
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in ([120.0, 121.0, 122.0], [60.0, 61.0, 62.0]))
    views = (sent.float() - mean) / std
    assert len(seen) == 1
    torch.testing.assert_close(seen[0], torch.cat([data['inputs'], views[:, 0], views[:, 1]]))
    logits = net.head(net.extract_feat(seen[0]))
    labels = torch.arange(4)
    parts = logits.view(3, 4, 4).softmax(2)
    mean_log = parts.mean(0).log()
    by_hand = F.cross_entropy(logits[:4], labels) + 4 * sum(F.kl_div(mean_log, p, reduction='batchmean') for p in parts)
    torch.testing.assert_close(losses['loss'], by_hand, rtol=1e-4, atol=1e-5)
    assert float(losses['mix_acc']) == pytest.approx(100 * float((logits[:4].argmax(1) == labels).float().mean()))
    losses['loss'].backward()
    assert all(p.grad is not None for p in net.parameters())


def test_in_evaluation_there_is_the_loss_of_the_labels_alone() -> None:
    net = model().eval()
    samples = [DataSample().set_gt_label(i) for i in range(4)]
    images = torch.rand(4, 3, *SIZE)
    losses = net.loss(images, samples)
    torch.testing.assert_close(losses['loss'], F.cross_entropy(net.head(net.extract_feat(images)), torch.arange(4)))


def test_what_is_missing_is_said() -> None:
    net = model().train()
    samples = [DataSample().set_gt_label(i) for i in range(4)]
    with pytest.raises(ValueError, match=r"no `views` to compare: add dict\(type='mmmix.AugMix'\)"):
        net.loss(torch.rand(4, 3, *SIZE), samples)
    for i, sample in enumerate(samples):
        sample.set_field(torch.zeros(2, 3, 24, 20 + i), 'views')
    with pytest.raises(ValueError, match='alike in all samples'):
        net.loss(torch.rand(4, 3, *SIZE), samples)
    for sample in samples:
        sample.set_field(torch.zeros(2, 3, 8, 8), 'views')
    with pytest.raises(ValueError, match='put transforms that resize or crop in front'):
        net.loss(torch.rand(4, 3, *SIZE), samples)
    with pytest.raises(RuntimeError, match=r"train with type='mmmix.MixClassifier'"):
        JensenShannonLoss().train()(torch.zeros(4, 4), torch.arange(4))
    with pytest.raises(ValueError, match='compares views of unmixed images: remove `augments`'):
        model(train_cfg=dict(augments=dict(type='mmmix.CutMix')))


def test_images_of_one_size_come_collated_too() -> None:
    """``default_collate``, which mmpretrain uses, stacks the images and leaves the samples in a list."""
    items = packed()
    pairs = [dict(inputs=x, data_samples=s) for x, s in zip(items['inputs'], items['data_samples'], strict=True)]
    batch = default_collate(pairs)
    net = model().train()
    data = net.data_preprocessor(batch, training=True)
    assert torch.isfinite(net.loss(data['inputs'], data['data_samples'])['loss'])
