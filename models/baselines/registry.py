"""Every baseline by its name."""

from models.baselines.atcnet import AtcNet
from models.baselines.csp import CommonSpatialPatterns
from models.baselines.deep4 import Deep4
from models.baselines.eeg_conformer import EegConformer
from models.baselines.eegnet import EegNet
from models.baselines.filter_bank_csp import FilterBankCsp
from models.baselines.gru import Gru
from models.baselines.kalman import Kalman
from models.baselines.log_band_power import LogBandPower
from models.baselines.model import Baseline
from models.baselines.ridge import RidgeWithLags
from models.baselines.shallow_fbcsp_net import ShallowFbcspNet
from models.baselines.tangent_space import RiemannTangentSpace

CLASSICAL = (LogBandPower, CommonSpatialPatterns, FilterBankCsp, RiemannTangentSpace)
NETWORKS = (EegNet, ShallowFbcspNet, Deep4, EegConformer, AtcNet)
REGRESSIONS = (RidgeWithLags, Kalman, Gru)

BASELINES: dict[str, type[Baseline]] = {model.name: model for model in (*CLASSICAL, *NETWORKS, *REGRESSIONS)}
"""Name -> class; it is made without arguments, unfitted."""
