"""Spoken words: files by the archive's lists, spectrograms against a sum of sines, a config from start to end."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from scipy.io import wavfile

from mmmix import GoogleCommands, LoadSpectrogram, SpeechLeNet
from mmmix.cli import build_runner

ROOT = Path(__file__).resolve().parents[2]
WORDS = {'down': 400.0, 'left': 1200.0, 'up': 3000.0}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An archive of made sounds: each word is a tone, of half a second to a bit more than one."""
    rng = np.random.default_rng(0)
    for word, tone in WORDS.items():
        (tmp_path / word).mkdir()
        for i in range(12):
            time = np.arange(rng.integers(8000, 17000)) / 16000
            sound = np.sin(2 * np.pi * tone * time) + 0.1 * rng.standard_normal(len(time))
            wavfile.write(tmp_path / word / f'{i}.wav', 16000, (8000 * sound).astype(np.int16))
    (tmp_path / '_background_noise_').mkdir()
    for name, numbers in (('validation_list.txt', (0, 1)), ('testing_list.txt', (2, 3, 4))):
        (tmp_path / name).write_text(''.join(f'{word}/{i}.wav\n' for word in WORDS for i in numbers))
    return tmp_path


def test_the_lists_say_what_is_tested_on(root: Path) -> None:
    splits = {split: GoogleCommands(str(root), split=split) for split in ('train', 'val', 'test')}
    assert {split: len(data) for split, data in splits.items()} == dict(train=21, val=6, test=9)
    assert all(data.metainfo['classes'] == ('down', 'left', 'up') for data in splits.values())
    paths = [info['img_path'] for data in splits.values() for info in map(data.get_data_info, range(len(data)))]
    assert len(set(paths)) == 36
    for data in splits.values():
        for info in map(data.get_data_info, range(len(data))):
            assert data.metainfo['classes'][info['gt_label']] == Path(info['img_path']).parent.name


def test_what_is_missing_is_told(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match='set `data_root`'):
        GoogleCommands(str(root / 'nowhere'))
    with pytest.raises(ValueError, match='GoogleCommands: `split`'):
        GoogleCommands(str(root), split='dev')
    (root / 'up' / '2.wav').unlink()
    with pytest.raises(FileNotFoundError, match=r'no file up/2\.wav, which is listed'):
        GoogleCommands(str(root), split='test')
    (root / 'testing_list.txt').unlink()
    with pytest.raises(FileNotFoundError, match=r'testing_list\.txt is missing'):
        GoogleCommands(str(root))


def slow(sound: np.ndarray, window: int, step: int, height: int) -> np.ndarray:
    """The magnitudes of windows around every ``step``-th sample, each a sum of sines and cosines."""
    padded = np.pad(sound, window // 2)
    hamming = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(window) / window)
    columns = []
    for start in range(0, len(padded) - window + 1, step):
        piece = padded[start : start + window] * hamming
        turns = np.exp(-2j * np.pi * np.outer(np.arange(height), np.arange(window)) / window)
        columns.append(np.abs(turns @ piece))
    return np.log(1 + np.stack(columns, 1))


@pytest.mark.parametrize('samples', [16000, 5000, 17000, 100])
def test_spectrogram_against_a_sum_of_sines(samples: int) -> None:
    sound = np.random.default_rng(1).uniform(-1, 1, samples)
    found = LoadSpectrogram(normalize=False)(dict(img=sound))['img'][:, :, 0]
    expected = slow(np.pad(sound, (0, max(0, 320 - samples))), 320, 160, 160)
    width = min(101, expected.shape[1])
    assert found.shape == (160, 101) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, :width], expected[:, :width], rtol=1e-4, atol=1e-5)
    assert not found[:, width:].any()
    scaled = LoadSpectrogram(channels=3)(dict(img=sound))['img']
    whole = (expected - expected.mean()) / expected.std()
    np.testing.assert_allclose(scaled[:, :width, 2], whole[:, :width], rtol=1e-3, atol=1e-4)
    assert scaled.shape == (160, 101, 3)


@pytest.mark.parametrize(
    ('dtype', 'rate'), [(np.int16, 16000), (np.uint8, 16000), (np.float32, 16000), (np.int16, 8000)]
)
def test_files_of_all_kinds_show_their_tone(dtype: type, rate: int, tmp_path: Path) -> None:
    sound = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)
    stored = sound if dtype is np.float32 else sound * 32000 if dtype is np.int16 else 128 + sound * 127
    wavfile.write(tmp_path / 'tone.wav', rate, np.stack([stored, stored], 1).astype(dtype))
    image = LoadSpectrogram(normalize=False)(dict(img_path=str(tmp_path / 'tone.wav')))['img']
    assert bool((image[:, 5:95, 0].argmax(0) == 20).all())
    # The same sound has the same loudness, however it was stored.
    expected = LoadSpectrogram(normalize=False)(dict(img=0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)))[
        'img'
    ]
    np.testing.assert_allclose(image[20, 5:95], expected[20, 5:95], rtol=0.02)


def test_bad_sounds_and_sizes_are_told(tmp_path: Path) -> None:
    (tmp_path / 'text.wav').write_text('no sound')
    with pytest.raises(ValueError, match='is no WAV file'):
        LoadSpectrogram()(dict(img_path=str(tmp_path / 'text.wav')))
    with pytest.raises(ValueError, match='has 161 frequencies'):
        LoadSpectrogram(height=200)
    with pytest.raises(ValueError, match='nothing is left'):
        SpeechLeNet(size=(12, 100))


@pytest.mark.parametrize('name', ['lenet_30e', 'lenet_30e-mixup-a02'])
def test_config_from_start_to_end(name: str, root: Path, tmp_path: Path) -> None:
    """On sounds of three tones: fewer epochs, and mixing begins with the second."""
    config = Config.fromfile(ROOT / f'configs/speech/{name}_google-commands.py')
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[loader].update(num_workers=0, persistent_workers=False, batch_size=6)
        config[loader].dataset.data_root = str(root)
    config.model.backbone.width = 32
    config.model.head.in_channels = 32
    config.train_cfg.update(max_epochs=5, val_begin=5)
    if 'custom_hooks' in config:
        config.custom_hooks[0].schedule[0].action_epoch = 2
    config.update(work_dir=str(tmp_path / 'run'), launcher='none', log_level='ERROR', experiment_name=name)
    torch.manual_seed(0)
    runner = build_runner(config)
    assert runner.model.data_preprocessor.batch_augments is None
    runner.train()
    assert (runner.model.data_preprocessor.batch_augments is not None) == ('mixup' in name)
    assert runner.test()['accuracy/top1'] > 60
