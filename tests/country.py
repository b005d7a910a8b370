"""The pretend country's rules, read once a process: to read and check them takes a third of a second."""

from pathlib import Path

from bus.agreements.agencies import load_agencies, load_legal_bases
from bus.agreements.check import load_agreements
from bus.avro.datasets import load_datasets

ROOT = Path(__file__).parents[1]
AGENCIES = load_agencies(ROOT / "seeds" / "agencies.yaml")
BASES = load_legal_bases(ROOT / "seeds" / "legal_bases.yaml")
DATASETS = load_datasets(ROOT / "schemas" / "changes")
AGREEMENTS = load_agreements(ROOT / "seeds" / "agreements", DATASETS, AGENCIES, BASES)
