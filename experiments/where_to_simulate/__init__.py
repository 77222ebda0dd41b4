"""Where to simulate next: how many simulator epochs does choosing them save?"""
