"""Spoken words."""

from pathlib import Path
from typing import Any

from mmpretrain.datasets import BaseDataset

from ..core import check
from ..core.fields import choice
from ..registry import DATASETS

_LISTS = {'val': 'validation_list.txt', 'test': 'testing_list.txt'}


@DATASETS.register_module()
class GoogleCommands(BaseDataset):
    """Google's speech commands: a folder for each word, with a second of sound in each WAV file.

    `Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition <https://arxiv.org/abs/1804.03209>`_. The
    archive's own lists, ``validation_list.txt`` and ``testing_list.txt`` (a line ``word/file.wav`` each), say what is
    validated and tested on; all else is trained on. Folders whose name begins with ``_`` (background noise) and ``.``
    are no words. :class:`mmmix.LoadSpectrogram` makes images of the files.

    Args:
        data_root (str): The folder that holds the words and both lists. Defaults to "data/speech_commands".
        split (str): "train", "val" or "test". Defaults to "train".
        **kwargs: As mmpretrain's ``BaseDataset`` takes them: ``indices``, ``pipeline``, ``test_mode``, ``lazy_init``.

    Raises:
        FileNotFoundError: If the folder, a list or a listed file is not there.
        ValueError: If ``split`` is unknown.

    Example:
        >>> from mmmix.datasets import GoogleCommands
        >>> dataset = GoogleCommands(split='test', lazy_init=True)  # reads nothing yet
        >>> dataset.split
        'test'
    """

    def __init__(self, data_root: str = 'data/speech_commands', split: str = 'train', **kwargs: Any):
        (self.split,) = check(self, split=(split, choice('train', 'val', 'test')))
        kwargs.setdefault('test_mode', split != 'train')
        super().__init__(ann_file='', data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the files.

        Returns:
            list[dict]: ``img_path`` and ``gt_label`` of each file.
        """
        root = Path(self.data_root)
        if not root.is_dir():
            raise FileNotFoundError(
                f'GoogleCommands: there is no folder {root}: unpack http://download.tensorflow.org/data/'
                'speech_commands_v0.01.tar.gz there, or set `data_root`.'
            )
        words = sorted(path.name for path in root.iterdir() if path.is_dir() and path.name[0] not in '_.')
        self._metainfo.setdefault('classes', tuple(words))
        listed = {split: self._listed(root / name) for split, name in _LISTS.items()}
        if self.split == 'train':
            held_out = {name for names in listed.values() for name in names}
            names = [f'{word}/{path.name}' for word in words for path in sorted((root / word).glob('*.wav'))]
            names = [name for name in names if name not in held_out]
        else:
            names = listed[self.split]
        label_of = {word: label for label, word in enumerate(words)}
        missing = next((name for name in names if not (root / name).is_file()), None)
        if missing is not None or not names:
            what = f'has no file {missing}, which is listed' if missing else f'has no file of the split {self.split!r}'
            raise FileNotFoundError(f'GoogleCommands: {root} {what}: unpack the archive again.')
        return [dict(img_path=str(root / name), gt_label=label_of[name.split('/')[0]]) for name in names]

    @staticmethod
    def _listed(path: Path) -> list[str]:
        """The files that a list names."""
        if not path.is_file():
            raise FileNotFoundError(f'GoogleCommands: {path} is missing: unpack it from the archive.')
        return path.read_text(encoding='utf-8').split()

    def extra_repr(self) -> list[str]:
        """Describe the split.

        Returns:
            list[str]: Lines for ``repr``.
        """
        return [f'Split: \t{self.split}']
