from shac.callbacks import (
    Callback as Callback,
)
from shac.callbacks import (
    CallbackList as CallbackList,
)
from shac.callbacks import (
    CSVLogger as CSVLogger,
)
from shac.callbacks import (
    History as History,
)
from shac.codec import (
    flatten_parameters as flatten_parameters,
)
from shac.constraints import (
    Constraint as Constraint,
)
from shac.constraints import (
    set_custom_constraint as set_custom_constraint,
)
from shac.dataset import (
    Dataset as Dataset,
)
from shac.engine import (
    SHAC as SHAC,
)
from shac.engine import (
    Prediction as Prediction,
)
from shac.engine import (
    Pruning as Pruning,
)
from shac.engine import (
    Recommendation as Recommendation,
)
from shac.engine import (
    Strategy as Strategy,
)
from shac.engine import (
    TorchSHAC as TorchSHAC,
)
from shac.engine import (
    TreeSettings as TreeSettings,
)
from shac.engine import (
    WarmStart as WarmStart,
)
from shac.errors import (
    DamagedFileError as DamagedFileError,
)
from shac.errors import (
    EmptyRegionError as EmptyRegionError,
)
from shac.errors import (
    EvaluationError as EvaluationError,
)
from shac.errors import (
    InvalidModelError as InvalidModelError,
)
from shac.errors import (
    SaveFolderError as SaveFolderError,
)
from shac.errors import (
    ShacError as ShacError,
)
from shac.errors import (
    UnsupportedModelError as UnsupportedModelError,
)
from shac.evaluation import (
    Pruned as Pruned,
)
from shac.evaluation import (
    evaluation_dir as evaluation_dir,
)
from shac.evaluation import (
    evaluation_seed as evaluation_seed,
)
from shac.evaluation import (
    report as report,
)
from shac.evaluation import (
    torch_device as torch_device,
)
from shac.evaluation import (
    torch_devices as torch_devices,
)
from shac.html_report import (
    write_report as write_report,
)
from shac.parameters import (
    MISSING as MISSING,
)
from shac.parameters import (
    AbstractContinuousHyperParameter as AbstractContinuousHyperParameter,
)
from shac.parameters import (
    AbstractHyperParameter as AbstractHyperParameter,
)
from shac.parameters import (
    AbstractMultiContinuousHyperParameter as AbstractMultiContinuousHyperParameter,
)
from shac.parameters import (
    DiscreteHP as DiscreteHP,
)
from shac.parameters import (
    DiscreteHyperParameter as DiscreteHyperParameter,
)
from shac.parameters import (
    IntegerHP as IntegerHP,
)
from shac.parameters import (
    IntegerHyperParameter as IntegerHyperParameter,
)
from shac.parameters import (
    LogIntegerHP as LogIntegerHP,
)
from shac.parameters import (
    LogIntegerHyperParameter as LogIntegerHyperParameter,
)
from shac.parameters import (
    LogUniformHP as LogUniformHP,
)
from shac.parameters import (
    LogUniformHyperParameter as LogUniformHyperParameter,
)
from shac.parameters import (
    MultiDiscreteHP as MultiDiscreteHP,
)
from shac.parameters import (
    MultiDiscreteHyperParameter as MultiDiscreteHyperParameter,
)
from shac.parameters import (
    MultiNormalContinuousHyperParameter as MultiNormalContinuousHyperParameter,
)
from shac.parameters import (
    MultiNormalHP as MultiNormalHP,
)
from shac.parameters import (
    MultiUniformContinuousHyperParameter as MultiUniformContinuousHyperParameter,
)
from shac.parameters import (
    MultiUniformHP as MultiUniformHP,
)
from shac.parameters import (
    NormalContinuousHyperParameter as NormalContinuousHyperParameter,
)
from shac.parameters import (
    NormalHP as NormalHP,
)
from shac.parameters import (
    ScipyHyperParameter as ScipyHyperParameter,
)
from shac.parameters import (
    UniformContinuousHyperParameter as UniformContinuousHyperParameter,
)
from shac.parameters import (
    UniformHP as UniformHP,
)
from shac.parameters import (
    get_parameter as get_parameter,
)
from shac.parameters import (
    set_custom_parameter_class as set_custom_parameter_class,
)
from shac.plots import (
    plot_dataset as plot_dataset,
)
from shac.plots import (
    plot_history as plot_history,
)
from shac.plots import (
    plot_importance as plot_importance,
)
from shac.plots import (
    plot_parallel as plot_parallel,
)
from shac.plots import (
    plot_region as plot_region,
)
from shac.plots import (
    plot_volume as plot_volume,
)
from shac.progress import (
    SearchProgress as SearchProgress,
)
from shac.sampling import (
    Cascade as Cascade,
)
from shac.sampling import (
    SampleReport as SampleReport,
)
from shac.space import (
    HyperParameterList as HyperParameterList,
)

__version__: str
__all__: list[str]  # noqa: PYI035  # made from one table at run time
