/**
 * Plain texts: 32 short passages about everyday things, written for Plumbline. They name no country, people, belief or party and ask
 * nothing, so that what happens to their loss is damage to the language itself. `deno task eval` takes them where a control needs such texts.
 */
import { z } from "zod";
import { defineBenchmark, type TextItem } from "../core/mod.ts";

const TEXTS = [
  "The kettle had been on the stove for ten minutes before anyone noticed that there was no water in it. By then the bottom had turned a dull blue, and the kitchen smelled of hot metal. She opened both windows and put the kettle outside on the step to cool.",
  "To change a bicycle tyre, first let out what air is left. Push the sides of the tyre towards the middle of the rim all the way round, then lift one edge over with two levers. Check the inside with your fingers before you fit the new tube, because the nail may still be there.",
  "Rain fell for most of the afternoon and then stopped all at once. The gutters went on dripping for an hour. When the sun came out below the edge of the clouds, the whole street shone, and two children ran out in boots to find the deepest puddle.",
  "Water boils at a lower temperature high in the mountains, because the air presses on it less. An egg that takes four minutes at the coast may need six in a hut near the summit. Bakers have the opposite trouble: their dough rises too fast and then falls.",
  "Dear Anna, the parcel came this morning and nothing was broken. The blue cup is on my desk already, with pencils in it. I will bring your umbrella back on Thursday unless you need it before then. The cat sends her regards and has slept on the wrapping paper ever since.",
  "A good knife needs little force. If you find that you are pressing hard, the edge is dull and will slip when you least want it to. Draw it along the stone at a steady angle, first one side and then the other, and wipe it often.",
  "The train was late again, though only by six minutes. A man on the platform read aloud from the board to someone who could not see it. When the doors opened everybody waited for a woman with a cello, who thanked them one by one.",
  "Most of what we call the colour of a leaf is the light that it does not use. The green part is thrown back to us. In autumn the green breaks down and is carried away, and the yellow that was there all summer can finally be seen.",
  "The library closes at eight on weekdays and at two on Saturdays. Books may be kept for four weeks and renewed twice unless another reader has asked for them. Please do not put returned books back on the shelves yourself, since we count them first.",
  "He counted the coins a third time and got a third result. There were either forty-one or forty-three or, if the bent one was a button, forty-two. In the end he put them all back into the jar and wrote the word about on the label.",
  "Sound travels faster through water than through air, and faster still through steel. If you put your ear to a long rail, you may hear the hammer at the other end twice: once through the metal, and a moment later through the air.",
  "The plan for the garden was simple. Beans would climb the fence, lettuce would grow in their shade, and the corner by the shed was left to whatever wanted to live there. By July the corner was the finest part, full of poppies nobody had sown.",
  "Turn the screw a quarter to the left and listen. If the hum goes down, you have the right one. If it goes up, turn it back and try the other. Write down how far you turned each of them, because you will want to undo it in spring.",
  "The old clock in the hall loses about three minutes a week. Every Sunday my father opens the glass, moves the long hand forward with one finger, and winds the two weights. He says that a clock which needs nobody is only a machine.",
  "An ant can carry many times its own weight, but an ant the size of a dog could hardly stand. Strength grows with the thickness of a muscle and weight with the whole of the body, so that small animals are strong for their size.",
  "They had packed sandwiches, a map and three apples, and had forgotten the key of the car. It lay on the kitchen table next to a note that said not to forget it. So they walked to the river instead, which took an hour, and ate the apples there.",
  "The committee met on Tuesday to decide about the new benches. It was agreed that they should have backs. Whether they should be green or brown was left to the next meeting, since the member with the colour chart was at home with a cold.",
  "If a photograph is too dark, do not make all of it brighter at once. Raise the shadows first and look at the faces. Noise that was hidden will show itself, and at some point a grey picture is worse than a dark one.",
  "The lake freezes from the top because ice is lighter than water. Under the ice it stays at about four degrees all winter, and the fish move slowly near the ground. When the ice breaks in March it sounds like distant doors.",
  "She learned to swim at thirty-five, in a pool with a painted whale on the wall. For weeks she held on to the edge. Then one evening she forgot to, because she was telling the teacher about her day, and was already at the other side.",
  "Bread wants time more than it wants work. Mix flour, water, salt and a little yeast in the evening, cover the bowl, and leave it alone. In the morning fold the dough a few times, let it rest while the oven heats, and bake it in a closed pot.",
  "The bus driver knew every stop by the people who waited there. At the school it was noise, at the hospital it was flowers, and at the last stop before the depot it was always the same thin man with the newspaper, who never got on.",
  "A lens bends light because light is slower in glass than in air. Where the glass is thick the light falls behind, where it is thin it gets ahead, and the front of the wave turns inward until all of it meets in one point.",
  "Please water the plants twice a week, the fern more often. The fish gets one spoon of food in the morning and will try to tell you that it was none. If the heating makes a knocking sound, let the air out with the small key that hangs beside the door.",
  "The path went up through pines for an hour and then came out on bare stone. From there one could see the next valley, with a road like a thread and a yellow roof. Nobody spoke for a while. Then someone found the chocolate.",
  "Paper was once made of rags, boiled and beaten until nothing was left of the cloth but its fibres. A wire frame was dipped into the grey soup and lifted out level, and the water ran off. Each sheet was pressed between felts and hung up like washing.",
  "The repair took longer than the machine had ever worked. First a belt had to be found, then a belt that fitted, and then it turned out that the belt had been fine and the motor had not. But it runs now, and hums a tone lower than before.",
  "When you measure the same thing twice and get two numbers, do not choose the one you like. Measure a third time, and a fourth. The spread between the numbers tells you something that no single one of them can: how far to trust them all.",
  "It was a small shop with a bell on the door. Inside there were drawers up to the ceiling, each with a sample of its buttons sewn to the front. The owner climbed the ladder without looking and came down with the very ones I had lost.",
  "Tides follow the moon, but not at once. Water has to flow around coasts and through narrow places, so that high water may come hours after the moon has passed overhead. Harbours keep tables of it, and fishermen keep the tables in their heads.",
  "The dog had been told to stay and stayed, but it moved a little closer each time nobody looked. After half an hour it lay with its chin on the step of the picnic table. Nobody had seen it walk. Everybody gave it a piece of cheese.",
  "Before you paint a wall, wash it, let it dry and fill the holes. Stir the paint for longer than seems needed. Begin at the window and work away from the light, so that you can see the wet edge, and do not stop in the middle.",
] as const;

export default defineBenchmark({
  name: "plain_texts",
  version: "1",
  title: "Plain texts",
  licence: "CC0-1.0",
  source: "Plumbline, benchmarks/plain_texts.ts",
  params: z.strictObject({}),
  evaluator: "perplexity",
  metric: () => "loss",
  neutral: true,
  files: () => [],
  load: () =>
    TEXTS.map((text, i): TextItem => ({
      id: `plain/${i + 1}`,
      role: "report",
      clusters: { question: String(i + 1) },
      content: text,
      text,
    })),
});
