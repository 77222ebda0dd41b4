"""The main job: does training on a surrogate pay on a real bank's calls?"""
