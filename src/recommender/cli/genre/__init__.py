"""``recommender genre``: the genre laboratory."""

import typer

from recommender.cli.genre import evaluation, networks, prediction, training, tuning

app = typer.Typer(
    help="Systems that tell genres apart: train them on your own music, test them, use them.",
)

app.command("networks", epilog=networks.EXAMPLE)(networks.networks)
app.command("train", epilog=training.EXAMPLES)(training.train)
app.command("evaluate", epilog=evaluation.EXAMPLES)(evaluation.evaluate)
app.command("predict", epilog=prediction.EXAMPLES)(prediction.predict)
app.command("cut", epilog=training.CUT_EXAMPLE)(training.cut)
app.command("tune", epilog=tuning.EXAMPLE)(tuning.tune)
