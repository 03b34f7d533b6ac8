// Runs a statechart (SCXML) by SCION: what it does with every event in every state.
//
// It reads {"document", "states", "events"} from standard input, and writes {"started", "pairs"}: for each pair {"state",
// "event", "entered", "next"}, `entered` being the states that were entered; and where a chart is that goes on from a
// snapshot and is started all the same.

"use strict";

const { core, documentStringToModel } = require("@scion-scxml/scxml");

const { document, states, events } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));

const fail = (error) => {
  if (error) throw error;
};

documentStringToModel("order.scxml", document, (error, model) => {
  fail(error);
  model.prepare((failed, prepared) => {
    fail(failed);
    const pairs = states.flatMap((state) =>
      events.map((name) => {
        const chart = new core.Statechart(prepared, { snapshot: [[state], {}, false, {}, []] });
        const entered = [];
        chart.registerListener({ onEntry: (id) => entered.push(id) });
        chart.gen({ name });
        return { state, event: name, entered, next: chart.getConfiguration()[0] };
      }),
    );
    const again = new core.Statechart(prepared, { snapshot: [[states.at(-1)], {}, false, {}, []] });
    again.start();
    process.stdout.write(JSON.stringify({ started: again.getConfiguration()[0], pairs }));
  });
});
