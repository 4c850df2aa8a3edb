// What stands out in the history, and what might be tried about it.

export const OPPORTUNITIES: Record<string, string> = {
  Opportunities: 'Chancen',
  'The opportunities': 'Die Chancen',
  'what stands out in the history': 'was in der Geschichte auffällt',
  'Not enough yet': 'Noch nicht genug',
  '{chats} of {chats_needed} chats that ended, and {crashes} of {crashes_needed} crashes: with fewer, what stands out is mostly chance.':
    '{chats} von {chats_needed} beendeten Chats und {crashes} von {crashes_needed} Abstürzen: Mit weniger ist meist Zufall, was auffällt.',
  '{questions} questions were asked of {chats} chats with {crashes} crashes, those that stood out a second time of the newer half. What goes together need not be cause and effect: only an experiment tells.':
    '{questions} Fragen wurden an {chats} Chats mit {crashes} Abstürzen gestellt; was auffiel, noch einmal an die neuere Hälfte. Was zusammen auftritt, muss nicht Ursache und Wirkung sein: Das zeigt nur ein Versuch.',
  'Nothing stands out': 'Nichts fällt auf',
  'In the chats so far nothing goes with crashes, cost or waits more than chance does.':
    'In den bisherigen Chats tritt nichts öfter mit Abstürzen, Kosten oder Wartezeiten auf, als der Zufall es tut.',
  'Single chats far above the usual': 'Einzelne Chats weit über dem Üblichen',
  'Confirmed by later chats': 'Von späteren Chats bestätigt',
  'Not confirmed by later chats': 'Von späteren Chats nicht bestätigt',
  'Too few later chats': 'Zu wenige spätere Chats',
  'costs far above the usual': 'Kosten weit über dem Üblichen',
  'waits far above the usual': 'Wartezeiten weit über dem Üblichen',
  '{events} {what} in {chats} chats, {other_events} in {other_chats} others': '{events} {what} in {chats} Chats, {other_events} in {other_chats} anderen',
  'under 0.1 %': 'unter 0,1 %',
  '{knob}: lower, to {value}': '{knob}: niedriger, auf {value}',
  '{knob}: higher, to {value}': '{knob}: höher, auf {value}',
  '{knob}: lower': '{knob}: niedriger',
  '{knob}: higher': '{knob}: höher',
  'waited {value} for an answer, {usual} is usual': 'wartete {value} auf eine Antwort, üblich ist {usual}',
  'took {value} tokens, {usual} are usual': 'brauchte {value} Token, üblich sind {usual}',
  'Older half of the chats': 'Ältere Hälfte der Chats',
  'Newer half': 'Neuere Hälfte',
  'By chance': 'Durch Zufall',
  'For as many questions as were asked of the newer half': 'Bei so vielen Fragen, wie an die neuere Hälfte gestellt wurden',
  'Expected false among such': 'Davon vermutlich falsch',
  'Of what stands out in the older half': 'Von dem, was in der älteren Hälfte auffällt',
  'Supposition:': 'Vermutung:',
  'No experiment would tell:': 'Kein Versuch würde es zeigen:',
  'An experiment would need about {n} chats to tell.': 'Ein Versuch bräuchte etwa {n} Chats, um es zu zeigen.',
  'What might be tried:': 'Was man ausprobieren könnte:',
};
