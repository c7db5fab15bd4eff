"""What the processor can do, for tests that need it."""

import pytest
import torch

from adcore.precision import multiplies_int8

CPU = torch.device("cpu")
needs_integers = pytest.mark.skipif(not multiplies_int8(CPU), reason="this processor does not multiply 8-bit integers")
