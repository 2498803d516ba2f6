"""Re-identification: ranks against loops and scikit-learn, the head's losses by hand, a run on made persons."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from PIL import Image
from sklearn.metrics import average_precision_score

from mmmix import Market1501, Ranking, ReIDHead, SomeOfEach
from mmmix.cli import build_runner
from mmmix.evaluation.ranking import ranking
from mmmix.models.heads.reid_head import batch_hard_triplet

ROOT = Path(__file__).resolve().parents[2]


def slow(features, persons, cameras, is_query, k) -> tuple[float, float]:
    """One query after the other, one gallery image after the other; average precision is scikit-learn's."""
    firsts, precisions = [], []
    for q in range(len(persons)):
        if not is_query[q]:
            continue
        scored = []
        for g in range(len(persons)):
            if is_query[g] or (persons[g] == persons[q] and cameras[g] == cameras[q]):
                continue
            distance = sum((a - b) ** 2 for a, b in zip(features[q], features[g], strict=True))
            scored.append((distance, persons[g] == persons[q]))
        if not any(hit for _, hit in scored):
            continue
        scored.sort(key=lambda pair: pair[0])
        firsts.append(any(hit for _, hit in scored[:k]))
        precisions.append(average_precision_score([hit for _, hit in scored], [-distance for distance, _ in scored]))
    return 100 * float(np.mean(firsts)), 100 * float(np.mean(precisions))


@pytest.mark.parametrize('seed', range(4))
def test_ranks_and_precision_against_scikit_learn(seed: int) -> None:
    torch.manual_seed(seed)
    features, persons = torch.randn(80, 6).double(), torch.randint(12, (80,))
    cameras, is_query = torch.randint(1, 4, (80,)), torch.rand(80) < 0.3
    found = ranking(features, persons, cameras, is_query, (1, 5))
    for k in (1, 5):
        first, precision = slow(features.tolist(), persons.tolist(), cameras.tolist(), is_query.tolist(), k)
        assert found[f'rank-{k}'] == pytest.approx(first)
        assert found['mAP'] == pytest.approx(precision)


def test_the_rule_of_cameras_by_hand() -> None:
    """The nearest image is of the query's own camera and does not count; a stranger is nearer than the first hit."""
    features = torch.tensor([[0.0], [0.1], [1.0], [2.0], [3.0]])
    persons, cameras = torch.tensor([1, 1, 0, 1, 1]), torch.tensor([1, 1, 2, 2, 3])
    is_query = torch.tensor([True, False, False, False, False])
    found = ranking(features, persons, cameras, is_query, (1, 2))
    assert found == {'rank-1': 0.0, 'rank-2': 100.0, 'mAP': pytest.approx(100 * (1 / 2 + 2 / 3) / 2)}
    with pytest.raises(ValueError, match='no query has an image'):
        ranking(features[:2], persons[:2], cameras[:2], is_query[:2])


def test_triplets_by_a_loop() -> None:
    features, labels = torch.randn(12, 5), torch.randint(3, (12,))
    total = 0.0
    for i in range(12):
        distances = [float((features[i] - features[j]).square().sum().sqrt()) for j in range(12)]
        far = max(d for d, label in zip(distances, labels, strict=True) if label == labels[i])
        near = min(d for d, label in zip(distances, labels, strict=True) if label != labels[i])
        total += max(0.0, far - near + 0.3)
    assert float(batch_hard_triplet(features, labels, 0.3)) == pytest.approx(total / 12, rel=1e-3)
    features.requires_grad_()
    batch_hard_triplet(features, torch.zeros(12), 0.3).backward()
    assert features.grad is not None and not features.grad.isnan().any() and not features.grad.any()


def test_the_head_compares_what_comes_out_of_its_norm() -> None:
    head = ReIDHead(num_classes=3, in_channels=4, loss=dict(type='mmpretrain.CrossEntropyLoss')).eval()
    head.norm.running_mean.copy_(torch.arange(4.0))
    rows = torch.randn(5, 4)
    (first, *_) = head.predict((rows,), [DataSample() for _ in range(5)])
    expected = (rows - torch.arange(4.0)) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(first.feature, torch.nn.functional.normalize(expected)[0])
    torch.testing.assert_close(first.pred_score, (expected @ head.fc.weight.T).softmax(1)[0])
    assert not head.norm.bias.requires_grad and head.fc.bias is None
    samples = [DataSample().set_gt_label(i % 3) for i in range(5)]
    soft = [DataSample().set_gt_score(torch.eye(3)[i % 3]) for i in range(5)]
    hard_losses, soft_losses = (head.loss((rows,), each) for each in (samples, soft))
    torch.testing.assert_close(hard_losses['loss_triplet'], soft_losses['loss_triplet'])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Persons of one colour each, seen by three cameras of different brightness; some images are of nobody."""
    rng = np.random.default_rng(0)

    def write(folder: str, person: int, camera: int, number: int) -> None:
        colour = np.random.default_rng(1000 + person).integers(40, 255, 3) * (0.7 + 0.1 * camera)
        image = np.clip(colour + 20 * rng.standard_normal((32, 16, 3)), 0, 255).astype(np.uint8)
        name = f'{"-1" if person < 0 else f"{person:04d}"}_c{camera}s1_{number:06d}_00.jpg'
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / folder / name)

    for person in range(2, 8):
        for number in range(6):
            write('bounding_box_train', person, 1 + number % 3, number)
    for person in range(20, 25):
        write('query', person, 1, 0)
        for camera in (1, 2, 3):
            write('bounding_box_test', person, camera, camera)
    write('bounding_box_test', 0, 2, 50)
    (tmp_path / 'bounding_box_test' / '-1_c1s1_000051_00.jpg').write_bytes(
        (tmp_path / 'query' / '0020_c1s1_000000_00.jpg').read_bytes()
    )
    return tmp_path


def test_names_say_who_it_is(root: Path) -> None:
    train, test = Market1501(str(root)), Market1501(str(root), split='test')
    assert len(train) == 36 and train.metainfo['classes'] == ('2', '3', '4', '5', '6', '7')
    infos = [test.get_data_info(i) for i in range(len(test))]
    assert len(test) == 5 + 16 and [info['is_query'] for info in infos] == [True] * 5 + [False] * 16
    assert all(f'{info["person"]:04d}_c{info["camera"]}' in info['img_path'] for info in infos)
    assert {info['person'] for info in infos} == {0, *range(20, 25)}
    (root / 'query' / 'portrait.jpg').write_bytes(b'')
    with pytest.raises(ValueError, match='does not say who it is'):
        Market1501(str(root), split='test')
    with pytest.raises(FileNotFoundError, match='set `data_root`'):
        Market1501(str(root / 'query'))


def test_some_of_each(root: Path) -> None:
    train = Market1501(str(root))
    sampler, labels = SomeOfEach(train, samples=4, seed=1), train.get_gt_labels()
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == 24
    groups = [drawn[i : i + 4] for i in range(0, 24, 4)]
    assert all(len(set(group)) == 4 and len({labels[i] for i in group}) == 1 for group in groups)
    assert len({labels[group[0]] for group in groups}) == 6
    sampler.set_epoch(1)
    assert list(sampler) != drawn
    assert len(list(SomeOfEach(train, samples=9, seed=1))) == 54
    with pytest.raises(TypeError, match='needs the labels'):
        SomeOfEach([1, 2])


def test_a_prediction_without_a_feature_is_told() -> None:
    with pytest.raises(ValueError, match='no `feature`'):
        Ranking().process({}, [dict(person=1, camera=1, is_query=True)])


@pytest.mark.parametrize('name', ['none', 'erasing', 'keeperasing'])
def test_config_from_start_to_end(name: str, root: Path, tmp_path: Path) -> None:
    """Small images, a small network, and persons that can be told by their colour."""
    config = Config.fromfile(ROOT / f'configs/reid/resnet50_120e-{name}_market1501.py')
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[loader].update(num_workers=0, persistent_workers=False, batch_size=12)
        config[loader].dataset.data_root = str(root)
        for transform in config[loader].dataset.pipeline:
            if transform.type == 'Resize':
                transform.scale = (16, 32)
            if transform.type == 'RandomCrop':
                transform.update(crop_size=(32, 16), padding=2)
    backbone = dict(type='ResNet', depth=18, stem_channels=8, base_channels=8, strides=(1, 2, 2, 1))
    config.model.backbone = backbone
    config.model.head.update(in_channels=64, num_classes=6)
    config.data_preprocessor.num_classes = 6
    config.train_cfg.update(max_epochs=2, val_interval=2)
    config.update(work_dir=str(tmp_path / 'run'), launcher='none', log_level='ERROR', experiment_name=name)
    runner = build_runner(config)
    runner.train()
    assert {'train/loss', 'train/loss_triplet'} <= set(runner.message_hub.log_scalars)
    found = runner.test()
    assert set(found) == {'reid/rank-1', 'reid/rank-5', 'reid/rank-10', 'reid/mAP'}
    assert 0 <= found['reid/mAP'] <= 100 and found['reid/rank-10'] >= found['reid/rank-1']
