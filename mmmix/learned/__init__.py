"""What parts learn beside the network: modules that the classifier keeps as ``learned.*`` and its optimizer trains."""

from .adautomix_block import AdAutoMixBlock
from .mask_learner import MaskLearner
from .mix_block import MixBlock
from .momentum_teacher import MomentumTeacher
from .samix_block import SAMixBlock

__all__ = ['AdAutoMixBlock', 'MaskLearner', 'MixBlock', 'MomentumTeacher', 'SAMixBlock']
