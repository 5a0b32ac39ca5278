"""Tests of a configuration under pytest.

- `pytest_plugin`: collects golden conversations and cases, offers the fixture `l7proxy_node`, and
  measures which routes the tests reach
"""
