"""A walk-in clinic: patients see a nurse, then a doctor; urgent ones see the doctor first."""

import random

import simpy

MINUTES = 480
ARRIVAL_EVERY = 4.0
NURSES = 2
TRIAGE = 6.0
DOCTORS = 4
CONSULTATION = 14.0
URGENT_SHARE = 0.2
PATIENCE = 60.0

waits = []
left = 0


def patient(env, nurses, doctors):
    global left
    with nurses.request() as nurse:
        yield nurse
        yield env.timeout(random.expovariate(1 / TRIAGE))
    urgent = random.random() < URGENT_SHARE
    triaged = env.now
    with doctors.request(priority=0 if urgent else 1) as doctor:
        seen = yield doctor | env.timeout(random.expovariate(1 / PATIENCE))
        if doctor not in seen:
            left += 1
            return
        waits.append(env.now - triaged)
        yield env.timeout(random.lognormvariate(0, 0.5) * CONSULTATION)


def arrivals(env, nurses, doctors):
    while True:
        yield env.timeout(random.expovariate(1 / ARRIVAL_EVERY))
        env.process(patient(env, nurses, doctors))


def main():
    random.seed(1)
    env = simpy.Environment()
    nurses = simpy.Resource(env, capacity=NURSES)
    doctors = simpy.PriorityResource(env, capacity=DOCTORS)
    env.process(arrivals(env, nurses, doctors))
    env.run(until=MINUTES)
    print(f"seen by a doctor: {len(waits)}")
    print(f"mean wait for a doctor: {sum(waits) / len(waits):.1f} minutes")
    print(f"left without being seen: {left}")


if __name__ == "__main__":
    main()
