"""What any simulator must satisfy, as checks that a user can run on their own.

`check_simulator` says what holds and what does not, `assert_contract` raises on what does not, and
`ContractTests` is the same as a pytest class.
"""

from sim.contract.check import Check, ContractBroken
from sim.contract.suite import CLAUSES, assert_contract, check_simulator
from sim.contract.testing import ContractTests

__all__ = [
    "CLAUSES",
    "Check",
    "ContractBroken",
    "ContractTests",
    "assert_contract",
    "check_simulator",
]
