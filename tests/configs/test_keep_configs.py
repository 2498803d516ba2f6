"""KeepAugment's configs against its page, its metafile, their names and each other."""

import re
from typing import Any

import pytest
import test_configs
import yaml

FOLDER = test_configs.ROOT / 'configs' / 'keepaugment'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))


def load(name: str) -> dict[str, Any]:
    return test_configs.load(FOLDER / f'{name}.py').to_dict()


def test_page_and_metafile_have_every_config_and_the_same_numbers() -> None:
    rows = dict(re.findall(r'^(\|.*)\[config\]\((.*)\.py\) \|$', (FOLDER / 'README.md').read_text(), re.MULTILINE))
    page = {name: re.findall(r'([\d.]+) \(paper\)', row) for row, name in rows.items()}
    models = yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']
    index = {
        model['Name']: [str(value) for result in model['Results'] for value in result['Metrics'].values()]
        for model in models
    }
    assert page == index
    assert sorted(index) == NAMES


@pytest.mark.parametrize('name', [name for name in NAMES if '-augmix' in name])
def test_augmix_sends_views_to_a_loss_that_compares_them(name: str) -> None:
    config = load(name)
    transform, pack = config['train_dataloader']['dataset']['pipeline'][-2:]
    assert transform['type'] == 'mmmix.AugMix' and pack['algorithm_keys'] == ('views',)
    assert config['model']['type'] == 'mmmix.MixClassifier' and not config['model'].get('train_cfg')
    assert config['model']['head']['loss'] == dict(type='mmmix.JensenShannonLoss', weight=12.0)
    assert config['train_cfg']['max_epochs'] == 300


@pytest.mark.parametrize('name', [name for name in NAMES if '-augmix' not in name])
def test_a_name_tells_what_is_inside(name: str) -> None:
    config = load(name)
    network, method, data = name.split('_')
    epochs, _, method = method.partition('-')
    assert config['train_cfg']['max_epochs'] == int(epochs.removesuffix('e'))
    augment = config['model'].get('train_cfg', {}).get('augments', {})
    ops = config['train_dataloader']['dataset']['pipeline']
    transform = next((op for op in ops if op['type'] == 'mmmix.KeepAutoAugment'), None)
    assert ('autoaugment' in method) == (transform is not None)
    assert transform is None or transform['policies'] == dict(cifar10='cifar10', in1k='imagenet')[data]
    kept = method.startswith('keep')
    kinds = dict(
        cutout='Cutout', cutmix='CutMix', autoaugment='Paste', gridmask='GridMask', attentivemix='AttentiveMix'
    )
    kind = kinds[method.removeprefix('keep').split('-')[0]]
    if kept:
        assert augment['type'] == f'mmmix.Keep{kind}' and config['model']['type'] == 'mmmix.MixClassifier'
        assert augment['tau'] == 0.6
    else:
        assert config['model']['type'] == 'ImageClassifier'
        assert augment.get('type') == (f'mmmix.{kind}' if transform is None else None)
    assert ops[-1].get('algorithm_keys') == (('clean_view',) if kept and transform is not None else None)
    length = re.search(r'-l(\d+)', method)
    usual = 40 if data == 'in1k' else 16
    if 'length' in augment:
        assert augment['length'] == (int(length[1]) if length else usual)
    magnitude = re.search(r'-m(\d+)', method)
    if transform is not None:
        assert transform.get('magnitude') == (int(magnitude[1]) if magnitude else None)
    guides = dict(lowres='mmmix.InputGradient', early='mmmix.EarlyHead')
    guide = augment.get('guide', {})
    teacher = 'mmmix.Teacher' if method == 'attentivemix' else None
    assert guide.get('type') == guides.get(method.rpartition('-')[2], teacher)
    assert guide.get('scale') == (0.5 if method.endswith('lowres') else None)
    if 'at' in guide:
        assert ('stages' in guide['at']) == (network in ('wrn28-10', 'shake-shake26', 'pyramidnet272'))


@pytest.mark.parametrize('name', [name for name in NAMES if '-keep' in name and not re.search('lowres|early', name)])
def test_a_config_differs_from_its_baseline_in_the_keep_alone(name: str) -> None:
    kept, plain = (load(each) for each in (name, name.replace('-keep', '-')))
    for config in (kept, plain):
        config['model'] = {key: value for key, value in config['model'].items() if key not in ('type', 'train_cfg')}
        for pipeline in (config['train_pipeline'], config['train_dataloader']['dataset']['pipeline']):
            pipeline[-1].pop('algorithm_keys', None)
    assert kept == plain


def test_recipes_are_those_of_the_codes_that_the_paper_follows() -> None:
    for name in NAMES:
        config = load(name)
        ops = {op['type']: op for op in config['train_dataloader']['dataset']['pipeline']}
        optimizer, drop_rate = config['optim_wrapper']['optimizer'], config['model']['backbone'].get('drop_rate', 0.0)
        if name.endswith('in1k'):
            assert optimizer['nesterov'], name
            assert ('ColorJitter' in ops and 'Lighting' in ops) == ('cutmix' in name), name
        elif 'mmmix.KeepAutoAugment' in ops:
            (cutout,) = ops['mmmix.KeepAutoAugment']['then']
            assert cutout['type'] == 'mmpretrain.Cutout' and cutout['shape'] == 16 and cutout['prob'] == 1.0, name
        assert drop_rate == (0.3 if re.match('wrn28-10_300e-(keep)?cutout', name) else 0.0), name
