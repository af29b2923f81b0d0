"""An open cartoon to train and test on: thirteen short episodes, drawn from a seed.

    from colorization.cartoon.film import Episode

    for picture, truth in Episode(1, seed=0).frames():
        ...

What is drawn is all our own. From the pen to the film: `ink`, `light`; `poses`, `people`, `tools`,
`animals`; `nature`, `buildings`, `furniture`, `places`, `things`; `stage`, `stories`, `interludes`;
`titles`, `film`, `studio`.
"""
