"""Sounds as images."""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from ...core import check
from ...core.fields import flag, number, whole
from ...registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadSpectrogram(BaseTransform):
    """Read a WAV file and make its spectrogram, an image of one channel.

    The speech experiments of `mixup: Beyond Empirical Risk Minimization <https://arxiv.org/abs/1710.09412>`_ take
    normalised spectrograms at 16 kHz, padded with zeros to 160 x 101. Here a Hamming window of 20 ms moves by 10 ms
    over the sound with ``scipy.signal.stft``; the image is ``log(1 + magnitude)``, the 160 lowest of 161 frequencies
    from top to bottom, with mean 0 and deviation 1 before it is padded at the right or cut there. The paper does not
    tell its window; the numbers here are ours and give its size for a second of sound.

    Args:
        rate (int): Samples a second. A file of another rate is resampled. Defaults to 16000.
        window (float): Seconds of the window. Defaults to 0.02.
        step (float): Seconds by which it moves. Defaults to 0.01.
        height (int): How many of the frequencies, from the lowest. Defaults to 160.
        width (int): To how many windows the image is padded or cut. Defaults to 101.
        channels (int): In how many equal channels it is repeated. Defaults to 1.
        normalize (bool): Whether to bring each spectrogram to mean 0 and deviation 1. Defaults to True.

    Raises:
        ModuleNotFoundError: If there is no SciPy.
        ValueError: If an argument is out of range, or a file is no WAV file with a sound in it.

    Required Keys:

    - img_path, or img: samples ``(n,)`` in [-1, 1] at ``rate``

    Modified Keys:

    - img, ``(height, width, channels)``, float32
    - img_shape, ori_shape

    Example:
        >>> import numpy as np
        >>> from mmmix.datasets.transforms import LoadSpectrogram
        >>> sound = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
        >>> image = LoadSpectrogram()(dict(img=sound))['img']
        >>> image.shape, int(image[:, 50, 0].argmax())  # 1000 Hz in steps of 50 Hz
        ((160, 101, 1), 20)
    """

    def __init__(
        self,
        rate: int = 16000,
        window: float = 0.02,
        step: float = 0.01,
        height: int = 160,
        width: int = 101,
        channels: int = 1,
        normalize: bool = True,
    ):
        self.rate, self.window, self.step, self.height, self.width, self.channels, self.normalize = check(
            self,
            rate=(rate, whole(default=16000, least=1)),
            window=(window, number(default=0.02, above=0)),
            step=(step, number(default=0.01, above=0)),
            height=(height, whole(default=160, least=1)),
            width=(width, whole(default=101, least=1)),
            channels=(channels, whole(default=1, least=1)),
            normalize=(normalize, flag()),
        )
        self.samples = round(self.window * self.rate)
        if self.height > self.samples // 2 + 1 or self.step > self.window:
            raise ValueError(
                f'LoadSpectrogram: a window of {self.samples} samples has {self.samples // 2 + 1} frequencies: set '
                '`height` to at most that, and `step` to at most `window`.'
            )

    def transform(self, results: dict) -> dict:
        """Read, transform, pad."""
        sound = results['img'] if 'img' in results else self._read(results['img_path'])
        image = np.repeat(self.spectrogram(np.asarray(sound, dtype=np.float64))[:, :, None], self.channels, axis=2)
        return {**results, 'img': image, 'img_shape': image.shape[:2], 'ori_shape': image.shape[:2]}

    def spectrogram(self, sound: np.ndarray) -> np.ndarray:
        """The image of a sound.

        Args:
            sound (np.ndarray): ``(n,)`` samples in [-1, 1].

        Returns:
            np.ndarray: ``(height, width)``, float32.
        """
        signal = _scipy('signal')
        if len(sound) < self.samples:
            sound = np.pad(sound, (0, self.samples - len(sound)))
        step = round(self.step * self.rate)
        found = signal.stft(
            sound, self.rate, 'hamming', self.samples, self.samples - step, boundary='zeros', padded=False
        )[2]
        # SciPy divides by the sum of the window.
        image = np.log1p(np.abs(found[: self.height]) * signal.get_window('hamming', self.samples).sum())
        if self.normalize:
            image = (image - image.mean()) / max(image.std(), 1e-8)
        padded = np.zeros((self.height, self.width), dtype=np.float32)
        padded[:, : image.shape[1]] = image[:, : self.width]
        return padded

    def _read(self, path: str) -> np.ndarray:
        """The samples of a file in [-1, 1], at our rate."""
        try:
            rate, sound = _scipy('io.wavfile').read(path)
        except ValueError as error:
            raise ValueError(
                f'LoadSpectrogram: {path} is no WAV file that can be read ({error}): remove it.'
            ) from error
        if sound.size == 0:
            raise ValueError(f'LoadSpectrogram: {path} holds no sound: remove it.')
        if np.issubdtype(sound.dtype, np.integer):
            info = np.iinfo(sound.dtype)
            middle = (info.max + info.min + 1) // 2
            sound = (sound.astype(np.float64) - middle) / (info.max - middle + 1)
        sound = sound if sound.ndim == 1 else sound.mean(1)
        if rate != self.rate:
            common = np.gcd(rate, self.rate)
            sound = _scipy('signal').resample_poly(sound, self.rate // common, rate // common)
        return sound

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(rate={self.rate}, window={self.window}, step={self.step}, height={self.height}, '
            f'width={self.width}, channels={self.channels}, normalize={self.normalize})'
        )


def _scipy(name: str) -> Any:
    """A module of SciPy."""
    try:
        from importlib import import_module

        return import_module(f'scipy.{name}')
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('LoadSpectrogram needs SciPy: run `pip install "mmmix[speech]"`.') from error
