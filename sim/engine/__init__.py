"""The events of one episode, on SimPy.

In reading order: clock, marks, doors, lines, dispatch, teams, pools, preemption, sharing, staff,
sources, parts, counting, engine.

Events carry callbacks instead of one process per customer, and a departure event is used again
for another customer: SimPy's queue and clock stay, most of their cost goes. Three facts keep the
work small and exact. Where nothing depends on the moment at which somebody gives up, the impatient
are settled when somebody looks at the queue, at the moment their patience ran out. Times spent are
sums of leaving times less entering times, so nothing is integrated on the way. And what a part
does not have (rooms, preemption, set-ups) costs it nothing: it is another class of part.
"""

from sim.engine.engine import Engine

__all__ = ["Engine"]
