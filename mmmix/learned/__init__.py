"""What parts learn beside the network: modules that the classifier keeps as ``learned.*`` and its optimizer trains."""

from .mask_learner import MaskLearner
from .mix_block import MixBlock
from .momentum_teacher import MomentumTeacher
from .samix_block import SAMixBlock

__all__ = ['MaskLearner', 'MixBlock', 'MomentumTeacher', 'SAMixBlock']
