from pathlib import Path
def live(context, folder: Path): return {}
