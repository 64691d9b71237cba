"""Prints the table of pages against what their tests show."""

from tests.real_pages.contract_table import markdown

print(markdown())
