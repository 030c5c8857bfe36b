"""Side by side with what a user would write instead: the same settings, trained in one run.

``python -m benchmarks`` prints trials an hour, ``python -m benchmarks.target`` the seconds until a
given value, ``python -m benchmarks.lone`` what a lone trial costs beside a bare loop.
"""
