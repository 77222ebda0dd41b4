"""What is fast and what is not: every speed against a peer, measured in the same run.

`python -m benchmarks` measures everything, writes each measurement as a row of `rows.jsonl` and
makes `summary.json` and the plot from the rows; `python -m benchmarks.readme` makes the tables.
In reading order: workloads (what is simulated), contestants (who simulates it: `ours` and
`peers`), pairs (how two are timed), agreement (whether both simulated the same), rows and
figures (what is kept), and the benchmarks themselves: speed, scaling, collecting, stepping.
"""
