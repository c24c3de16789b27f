"""Ranking quality on judged queries: kNN beside exemplar SVMs of many settings.

Needs the extra ``evaluate`` (ir-measures, rich, and matplotlib for pictures). The command line and
``bench/python/retrieval_quality.py`` use it.
"""
