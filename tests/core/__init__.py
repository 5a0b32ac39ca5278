"""Tests of the core, which mirror it."""
