// How the live chats do, what foretelling crashes is worth, and what SHIM itself uses.

export const HEALTH: Record<string, string> = {
  'The live chats': 'Die laufenden Chats',
  'Live chats': 'Laufende Chats',
  'The prediction': 'Die Vorhersage',
  'the prediction': 'die Vorhersage',
  Prediction: 'Vorhersage',
  'What SHIM itself uses': 'Was SHIM selbst verbraucht',
  'what SHIM itself uses': 'was SHIM selbst verbraucht',
  'No chat is live': 'Kein Chat läuft',
  'While a chat runs, its risk and its numbers stand here: context used, calls, failures, memory.':
    'Während ein Chat läuft, stehen hier sein Risiko und seine Zahlen: belegter Kontext, Aufrufe, Fehler, Speicher.',
  '{chats}, nearest to trouble first': '{chats}, die gefährdetsten zuerst',
  'What foretells crashes, and what it was worth': 'Was Abstürze vorhersagt, und was es taugte',
  'Nothing was foretold yet. A prediction is made each minute for every live chat, and held against what happened.':
    'Noch wurde nichts vorhergesagt. Für jeden laufenden Chat gibt es jede Minute eine Vorhersage, und sie wird an dem gemessen, was geschah.',
  'No reading yet: it comes within seconds.': 'Noch nicht gemessen: Das kommt in wenigen Sekunden.',
  'Its signals': 'Seine Signale',
  'Loading its signals': 'Seine Signale werden geladen',
  'No process stands behind this chat any more.': 'Hinter diesem Chat steht kein Prozess mehr.',
  'The last hour': 'Die letzte Stunde',
  'The chart': 'Das Bild',
  'the chart': 'das Bild',
  'Memory and context': 'Speicher und Kontext',
  'Memory, MB': 'Speicher, MB',
  'Context, %': 'Kontext, %',
  Time: 'Zeit',

  Messages: 'Nachrichten',
  'Yours and the model’s, since the client was started': 'Eigene und die des Modells, seit der Client gestartet wurde',
  'Tool calls': 'Werkzeugaufrufe',
  'Since the client was started, and since the last checkpoint': 'Seit der Client gestartet wurde, und seit dem letzten Prüfpunkt',
  '{n}, {unsaved} unsaved': '{n}, davon {unsaved} ungesichert',
  'Failed calls': 'Fehlgeschlagen',
  'Of the last fifty': 'Von den letzten fünfzig',
  'none made': 'kein Aufruf',
  'Answers in': 'Antwortet in',
  'Median of the last ten requests': 'Median der letzten zehn Anfragen',
  'not known': 'nicht bekannt',
  Memory: 'Speicher',
  'Of the client’s process': 'Des Prozesses des Clients',
  Processor: 'Prozessor',
  'Share of one core': 'Anteil eines Kerns',
  'Running for': 'Läuft seit',
  'Last error': 'Letzter Fehler',
  'none lately': 'in letzter Zeit keiner',
  '{tool} failed': '{tool} schlug fehl',

  'Limit: {limit}': 'Grenze: {limit}',
  'Over its limit of {limit}': 'Über der Grenze von {limit}',
  'Within its limit of {limit}': 'Innerhalb der Grenze von {limit}',
  'Engine {version}, process {pid}, up for {time}. It keeps {bytes} in': 'Engine {version}, Prozess {pid}, läuft seit {time}. Sie bewahrt {bytes} auf in',
  'Reading old chats after a start counts too.': 'Das Lesen alter Chats nach einem Start zählt mit.',
  '{share} of one core, on average since it was started': '{share} eines Kerns, im Mittel seit dem Start',
  'Disk writes': 'Geschrieben',
  '{n} times what clients write': 'dem {n}-Fachen dessen, was Clients schreiben',
  'this system does not tell': 'dieses System sagt es nicht',
  '{written} for {watched} that clients wrote': '{written} für {watched}, die Clients schrieben',
  '{written}: not enough yet to compare': '{written}: noch zu wenig zum Vergleichen',
  '{written}: {n} times': '{written}: das {n}-Fache',

  'In use': 'In Gebrauch',
  'Its worth': 'Was es taugt',
  Foretold: 'Vorhergesagt',
  'False alarms': 'Fehlalarme',
  'What was said against what happened': 'Was gesagt wurde, und was geschah',
  Said: 'Gesagt',
  Hours: 'Stunden',
  'In truth, 95 of 100 times': 'In Wahrheit, in 95 von 100 Fällen',
  '{from} to {to}': '{from} bis {to}',
  'the mere rate of crashes': 'die bloße Häufigkeit von Abstürzen',
  'the rule of thumb': 'die Faustregel',
  'the rule of thumb at this machine’s rate': 'die Faustregel bei der Häufigkeit auf diesem Rechner',
  'A model learned on this machine on {day}, from {minutes} and {crashes}.':
    'Ein Modell, gelernt auf diesem Rechner am {day}; Grundlage: {minutes} und {crashes}.',
  'A rule of thumb. Learning begins at {needed}; {n} so far.': 'Eine Faustregel. Das Lernen braucht {needed}; bisher {n}.',
  'A rule of thumb, after {crashes}.': 'Eine Faustregel; bisher {crashes}.',
  'A model was learned on {day}, and put aside since.': 'Am {day} wurde ein Modell gelernt und seither beiseitegelegt.',
  'The last try to learn, on {day}, had {n} of the {needed} it takes.':
    'Für den letzten Lernversuch am {day} gab es {n}; nötig sind {needed}.',
  'What was learned on {day} did not foretell later crashes better than {rival}, so it is not used.':
    'Was am {day} gelernt wurde, sagte spätere Abstürze nicht besser vorher als {rival} und wird deshalb nicht benutzt.',
  'What was learned on {day} told nothing within the hour, so it is not used.':
    'Was am {day} gelernt wurde, sagte über die nächste Stunde nichts aus und wird deshalb nicht benutzt.',
  'The last try to learn, on {day}, gave nothing: {why}.': 'Der letzte Lernversuch am {day} ergab nichts: {why}.',
  'Not enough yet.': 'Noch nicht genug.',
  'Not enough yet: {n} of {hours} foretold, and {crashed} of {needed} in them.':
    'Noch nicht genug. Vorhergesagt: {n}, nötig: {hours}; darin {crashed}, nötig: {needed}.',
  'Of {hours} foretold, {n} had a crash: the base rate is {rate}.':
    'Vorhergesagt: {hours}, davon {n} mit Absturz. Die Grundhäufigkeit ist {rate}.',
  'Right in {share} of the hours. Always saying “no crash” is right in {never}.':
    'Richtig in {share} der Stunden. Immer „kein Absturz“ zu sagen ist in {never} richtig.',
  'The hours it ranks as most dangerous had a crash {times} as often as any hour (average precision {precision}, base rate {rate}).':
    'Die Stunden, die es für die gefährlichsten hält, hatten {times} so oft einen Absturz wie irgendeine Stunde (mittlere Genauigkeit {precision}, Grundhäufigkeit {rate}).',
  'Its probabilities are no better than always saying the base rate.':
    'Seine Wahrscheinlichkeiten sind nicht besser, als immer die Grundhäufigkeit zu sagen.',
  'Its probabilities are {share} better than always saying the base rate.':
    'Seine Wahrscheinlichkeiten sind {share} besser, als immer die Grundhäufigkeit zu sagen.',
  'Its probabilities are {share} worse than always saying the base rate.':
    'Seine Wahrscheinlichkeiten sind {share} schlechter, als immer die Grundhäufigkeit zu sagen.',
  just: 'genau',
  '{n} times': '{n}-mal',
  '{n} of {crashes} had an alarm in the hour before: {share}.': 'Mit Alarm in der Stunde davor: {n}; insgesamt {crashes}: {share}.',
  'With so few to go by, it may be anything between {low} and {high}.':
    'Bei so wenigen kann es alles zwischen {low} und {high} sein.',
  'Half of those alarms came at least {time} before.': 'Die Hälfte dieser Alarme kam mindestens {time} davor.',
  '{n} a day: {none} of {alarms} came to nothing.': '{n} am Tag; ohne Folgen: {none}, insgesamt {alarms}.',
};
