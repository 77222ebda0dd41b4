"""The contract, a test for each clause: run pytest in this folder."""

from adapter import Clinic

from sim.contract import ContractTests


class TestClinic(ContractTests):
    build = Clinic
