"""Corrections of an analysis by people, on the page or in files of other tools."""
