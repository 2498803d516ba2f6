"""Robustness, calibration and summaries of runs, for any mmpretrain classifier."""

from .. import family as family
from .calibration import CalibrationError, expected_calibration_error
from .corruptions import Corruption
from .localization import Localization, localize
from .pixels import FGSM, PGD, Occlusion, PixelClassifier
from .ranking import Ranking, ranking
from .regression import RegressionError
from .robustness import Result, evaluate
from .runs import summarize
from .transfer import IFGSM, transfer

__all__ = [
    'FGSM',
    'IFGSM',
    'PGD',
    'CalibrationError',
    'Corruption',
    'Localization',
    'Occlusion',
    'PixelClassifier',
    'Ranking',
    'RegressionError',
    'Result',
    'evaluate',
    'expected_calibration_error',
    'localize',
    'ranking',
    'summarize',
    'transfer',
]
