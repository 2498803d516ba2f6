"""Packaging of mmmix: all metadata, and ``configs/`` and ``tools/`` inside the package as ``mmmix/.mim``."""

import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent

#: Where the repository can be read, such as ``https://github.com/OWNER/mmmix``. It has no public address yet: until
#: this line has one, an index shows the text of the README, without its pictures and its links into the repository.
URL: str | None = None

#: What OpenMMLab looks for in ``<package>/.mim``: ``mmmix::quickstart/...`` in a config, ``mim train mmmix ...``.
MIM = ('configs', 'tools', 'model-index.yml')


class BuildPy(build_py):
    """Bring :data:`MIM` along: copies in a wheel, links to the checkout in an editable install."""

    editable_mode: bool  # set by setuptools

    def run(self) -> None:
        """Build the package, then its ``.mim``."""
        super().run()
        mim = (ROOT if self.editable_mode else Path(self.build_lib)) / 'mmmix' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in MIM:
            source, target = ROOT / name, mim / name
            if self.editable_mode and os.name != 'nt':  # Windows reserves links for administrators
                target.symlink_to(Path('..', '..', name), target_is_directory=source.is_dir())
            elif source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__', '*.pyc'))
            else:
                shutil.copy2(source, target)


def version() -> str:
    """Read the version without importing the package, which needs its requirements to be there."""
    text = (ROOT / 'mmmix' / 'version.py').read_text(encoding='utf-8')
    match = re.search(r"^__version__ = '([^']+)'$", text, re.MULTILINE)
    if match is None:
        raise RuntimeError("mmmix/version.py has no line __version__ = '...'.")
    return match[1]


def readme() -> str:
    """Read the long description; a checkout that is still without one builds as well."""
    path = ROOT / 'README.md'
    return described(path.read_text(encoding='utf-8'), URL) if path.exists() else ''


def described(text: str, url: str | None) -> str:
    """A page of the repository as it is read elsewhere: links to files lead to those of this version.

    Args:
        text (str): Markdown.
        url (str, optional): Where the repository is; None for nowhere: links become their words, pictures are named.
    """

    def elsewhere(match: re.Match) -> str:
        picture, words, path = match.groups()
        if re.match(r'#|[a-z]+:', path):
            return match[0]
        if url is None:
            return f'(picture: {words})' if picture else words
        return f'{picture}[{words}]({url}/{"raw" if picture else "blob"}/v{version()}/{path})'

    # Every other part is a block of code.
    parts = re.split(r'(^```.*?^```$)', text, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [re.sub(r'(!?)\[([^\[\]]*)\]\(([^()\s]+)\)', elsewhere, part) for part in parts[::2]]
    return ''.join(parts)


def urls() -> dict[str, str]:
    """What an index links to."""
    named = {'mmpretrain': 'https://github.com/open-mmlab/mmpretrain'}
    if URL is not None:
        named |= {'Homepage': URL, 'Changelog': f'{URL}/blob/v{version()}/CHANGELOG.md', 'Issues': f'{URL}/issues'}
    return named


# mmpretrain imports torchvision and does not ask for it.
ONEDL = ['onedl-mmengine>=0.10.8,<0.11', 'onedl-mmcv>=2.3,<2.4', 'onedl-mmpretrain>=1.3,<1.4', 'torchvision']
# The original distributions import pkg_resources, which setuptools 81 dropped.
OPENMMLAB = ['mmengine>=0.10.7,<0.11', 'mmcv-lite>=2.2,<2.3', 'mmpretrain>=1.2,<1.3', 'torchvision', 'setuptools<81']
SCIPY = ['scipy>=1.10']
CAM = ['grad-cam>=1.5.4']
QUICKSTART = ['matplotlib>=3.7', 'scikit-learn>=1.3']
DOCS = ['furo>=2025.7', 'myst-parser>=4', 'scikit-image>=0.22', 'sphinx>=8,<10']
TESTS = [*QUICKSTART, *CAM, *SCIPY, 'pytest>=8', 'setuptools>=70.1']
DEV = [*TESTS, 'coverage>=7.10', 'import-linter>=2.5,<3', 'mypy>=2.4,<3', 'ruff>=0.17,<0.18']

setup(
    name='mmmix',
    version=version(),
    description="Mixed-sample augmentation for OpenMMLab's mmpretrain and plain PyTorch: any mixer, partners, head",
    long_description=readme(),
    long_description_content_type='text/markdown',
    author='The mmmix authors',
    license='Apache-2.0',
    project_urls=urls(),
    keywords='computer vision, image classification, data augmentation, mixup, cutmix, openmmlab, mmpretrain',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3 :: Only',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    packages=find_packages(include=['mmmix', 'mmmix.*']),
    entry_points={'console_scripts': ['mmmix = mmmix.commands:main']},
    package_data={'mmmix': ['py.typed']},
    cmdclass={'build_py': BuildPy},
    zip_safe=False,
    python_requires='>=3.10,<3.14',
    # Neither OpenMMLab family is required here: installing one over the other breaks both.
    install_requires=['numpy', 'torch>=2.1'],
    extras_require={
        'onedl': ONEDL,
        'openmmlab': OPENMMLAB,
        'quickstart': QUICKSTART,
        'cam': CAM,
        'speech': SCIPY,
        'localization': SCIPY,
        'bench': ['kornia>=0.7', 'timm>=1.0'],
        'docs': DOCS,
        'tests': TESTS,
        'dev': DEV,
    },
)
