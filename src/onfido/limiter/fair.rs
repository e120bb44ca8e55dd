//! Who goes before whom among those who wait: starts before polls before audits; within a class the lines (namespaces) take turns; within
//! a line whoever came first. Start-time fair queueing, where places are kept for those who are away. Owns neither tokens nor a clock.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use super::{Class, Turn};

/// How many places there are. Who finds none is told to come back, and is a newcomer then.
const PLACES: usize = 1 << 16;
/// A place is kept so long after its holder was to come back.
const GRACE: Duration = Duration::from_secs(10);
/// So many calls of starts go before one of a poll that waits.
const STARTS_TO_A_POLL: u64 = 4;
/// Places within so many calls of the first of their row are counted, and estimated beyond.
const COUNTED: u64 = 1024;
/// Lines that do not wait are cleared away when there are more than this.
const LINES: usize = 1024;

/// Everybody's places.
#[derive(Debug, Default)]
pub(super) struct Queue {
    classes: [Lines; 3],
    places: HashMap<String, Place>,
    lapses: BTreeSet<(Duration, String)>,
    /// Calls of starts since a poll went, while one waits.
    in_a_row: u64,
}

#[derive(Debug)]
struct Place {
    class: Class,
    line: String,
    begun: bool,
    /// Within its row.
    ticket: u64,
    calls: u64,
    lapses: Duration,
}

/// What goes before a turn, in calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ahead {
    /// Of its class.
    pub(super) own: u64,
    /// Of all.
    pub(super) all: u64,
}

/// The lines of one class.
#[derive(Debug, Default)]
struct Lines {
    lines: HashMap<String, Line>,
    /// Calls that wait.
    backlog: u64,
}

/// One namespace's.
#[derive(Debug, Default)]
struct Line {
    /// Calls it was given since the contest began; whoever joins later begins with as many as the least served.
    served: u64,
    begun: Row,
    fresh: Row,
}

/// Places in the order in which they were taken. A ticket is the number of calls before it.
#[derive(Debug, Default)]
struct Row {
    waiting: BTreeMap<u64, u64>,
    backlog: u64,
    issued: u64,
}

impl Queue {
    /// What goes before this turn now.
    pub(super) fn ahead(&mut self, class: Class, turn: &Turn<'_>, now: Duration) -> Ahead {
        self.lapse(now);
        if self.places.get(turn.who).is_some_and(|place| !place.is_of(class, turn)) {
            self.leave(turn.who); // it stands in nobody's way, its own least of all
        }
        let own = self.of(class).ahead(turn, self.places.get(turn.who));
        let waiting = |class| self.of(class).backlog;
        let others = match class {
            Class::Start => waiting(Class::Poll).min((own + self.in_a_row) / STARTS_TO_A_POLL),
            Class::Poll => waiting(Class::Start).min((STARTS_TO_A_POLL * (own + 1)).saturating_sub(self.in_a_row)),
            Class::Audit => waiting(Class::Start) + waiting(Class::Poll),
        };
        Ahead { own, all: own + others }
    }

    /// Whether anybody of a class before this one waits.
    pub(super) fn is_behind(&self, class: Class) -> bool {
        Class::ALL.into_iter().any(|other| other < class && self.of(other).backlog > 0)
    }

    /// The calls of those who were to come by now and have not, counted until there are more than `enough`.
    pub(super) fn awaited(&self, turn: &Turn<'_>, now: Duration, enough: u64) -> u64 {
        let mut calls = 0;
        for (lapses, who) in &self.lapses {
            if *lapses > now + GRACE || calls > enough {
                break;
            }
            calls += self.places.get(who).filter(|_| who != turn.who).map_or(0, |place| place.calls);
        }
        calls
    }

    /// Its calls were permitted.
    pub(super) fn served(&mut self, class: Class, turn: &Turn<'_>, calls: u64) {
        self.in_a_row = match class {
            Class::Start if self.of(Class::Poll).backlog > 0 => (self.in_a_row + calls).min(STARTS_TO_A_POLL),
            Class::Start | Class::Poll => 0,
            Class::Audit => self.in_a_row,
        };
        self.classes[class as usize].served(turn.line, calls);
        self.leave(turn.who);
    }

    /// It is to come back at `back`. A place that it has stays.
    pub(super) fn waits(&mut self, class: Class, turn: &Turn<'_>, calls: u64, back: Duration) {
        let lapses = back.saturating_add(GRACE);
        if let Some(place) = self.places.get_mut(turn.who).filter(|place| place.is_of(class, turn)) {
            self.lapses.remove(&(place.lapses, turn.who.to_owned()));
            self.lapses.insert((lapses, turn.who.to_owned()));
            self.classes[class as usize].resize(place, calls);
            (place.lapses, place.calls) = (lapses, calls);
            return;
        }
        self.leave(turn.who);
        if self.places.len() >= PLACES {
            return;
        }
        let ticket = self.classes[class as usize].join(turn, calls);
        let place = Place { class, line: turn.line.to_owned(), begun: turn.begun, ticket, calls, lapses };
        self.places.insert(turn.who.to_owned(), place);
        self.lapses.insert((lapses, turn.who.to_owned()));
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// Who does not come back has had its turn.
    fn lapse(&mut self, now: Duration) {
        while let Some((_, who)) = self.lapses.first().filter(|(lapses, _)| *lapses <= now).cloned() {
            if let Some(place) = self.places.get(&who) {
                self.classes[place.class as usize].served(&place.line, place.calls);
            }
            self.leave(&who);
        }
    }

    fn leave(&mut self, who: &str) {
        if let Some(place) = self.places.remove(who) {
            self.lapses.remove(&(place.lapses, who.to_owned()));
            self.classes[place.class as usize].leave(&place);
        }
    }

    fn of(&self, class: Class) -> &Lines {
        &self.classes[class as usize]
    }
}

impl Place {
    fn is_of(&self, class: Class, turn: &Turn<'_>) -> bool {
        self.class == class && self.line == turn.line
    }
}

impl Lines {
    /// Its own row, and of each other line what that may still have until it has been given as much.
    fn ahead(&self, turn: &Turn<'_>, place: Option<&Place>) -> u64 {
        if self.backlog == 0 {
            return 0;
        }
        let level = self.level();
        let (served, before) = self.lines.get(turn.line).map_or((level, 0), |line| (line.served.max(level), line.before(turn, place)));
        let others = self.lines.iter().filter(|(name, _)| *name != turn.line);
        before + others.map(|(_, other)| other.backlog().min((served + before).saturating_sub(other.served))).sum::<u64>()
    }

    /// What the least served line that waits was given.
    fn level(&self) -> u64 {
        self.lines.values().filter(|line| line.backlog() > 0).map(|line| line.served).min().unwrap_or_default()
    }

    fn join(&mut self, turn: &Turn<'_>, calls: u64) -> u64 {
        let level = self.level();
        let line = self.lines.entry(turn.line.to_owned()).or_default();
        if line.backlog() == 0 {
            line.served = line.served.max(level);
        }
        self.backlog += calls;
        line.row(turn.begun).join(calls)
    }

    /// Where nobody waits nothing is counted: nobody is owed for what nobody wanted.
    fn served(&mut self, line: &str, calls: u64) {
        if self.backlog == 0 {
            return;
        }
        let level = self.level();
        if self.lines.len() > LINES {
            self.lines.retain(|_, line| line.backlog() > 0 || line.served > level);
        }
        let line = self.lines.entry(line.to_owned()).or_default();
        line.served = line.served.max(level) + calls;
    }

    fn resize(&mut self, place: &Place, calls: u64) {
        if let Some(line) = self.lines.get_mut(&place.line) {
            self.backlog = self.backlog - place.calls + calls;
            line.row(place.begun).resize(place.ticket, calls);
        }
    }

    fn leave(&mut self, place: &Place) {
        if let Some(line) = self.lines.get_mut(&place.line) {
            self.backlog -= place.calls;
            line.row(place.begun).resize(place.ticket, 0);
        }
        if self.backlog == 0 {
            self.lines.clear();
        }
    }
}

impl Line {
    fn backlog(&self) -> u64 {
        self.begun.backlog + self.fresh.backlog
    }

    fn row(&mut self, begun: bool) -> &mut Row {
        if begun { &mut self.begun } else { &mut self.fresh }
    }

    /// Without a place: everybody who has one, but where it has begun those who have not.
    fn before(&self, turn: &Turn<'_>, place: Option<&Place>) -> u64 {
        match place {
            Some(place) if place.begun => self.begun.before(place.ticket),
            Some(place) if !turn.begun => self.begun.backlog + self.fresh.before(place.ticket),
            _ if turn.begun => self.begun.backlog,
            _ => self.backlog(),
        }
    }
}

impl Row {
    fn join(&mut self, calls: u64) -> u64 {
        let ticket = self.issued;
        self.issued += calls.max(1);
        self.backlog += calls;
        self.waiting.insert(ticket, calls);
        ticket
    }

    fn before(&self, ticket: u64) -> u64 {
        let since_first = self.waiting.first_key_value().map_or(0, |(first, _)| ticket.saturating_sub(*first));
        if since_first > COUNTED { since_first.min(self.backlog) } else { self.waiting.range(..ticket).map(|(_, calls)| calls).sum() }
    }

    fn resize(&mut self, ticket: u64, calls: u64) {
        let before = if calls == 0 { self.waiting.remove(&ticket) } else { self.waiting.insert(ticket, calls) };
        self.backlog = self.backlog - before.unwrap_or_default() + calls;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    /// Ten of a crowd wait, and a hundred were served.
    fn contest() -> Queue {
        let mut queue = Queue::default();
        for number in 0..110 {
            queue.waits(Class::Start, &turn("crowd", &number.to_string()), 1, NOW);
        }
        (0..100).for_each(|number| queue.served(Class::Start, &turn("crowd", &number.to_string()), 1));
        queue
    }

    fn turn<'a>(line: &'a str, who: &'a str) -> Turn<'a> {
        Turn { line, who, begun: false }
    }

    fn ahead(queue: &mut Queue, line: &str, who: &str) -> u64 {
        queue.ahead(Class::Start, &turn(line, who), NOW).all
    }

    #[test]
    fn a_line_goes_by_the_order_in_which_it_was_joined() {
        let mut queue = contest();
        for (who, before) in [("100", 0), ("104", 4), ("109", 9), ("new", 10)] {
            assert_eq!(ahead(&mut queue, "crowd", who), before, "{who}");
        }
        queue.served(Class::Start, &turn("crowd", "102"), 1);
        assert_eq!(ahead(&mut queue, "crowd", "104"), 3);
    }

    #[test]
    fn a_line_that_is_new_begins_with_as_much_as_the_least_served() {
        let mut queue = contest();
        (0..50).for_each(|number| queue.waits(Class::Start, &turn("late", &format!("late-{number}")), 1, NOW));
        assert_eq!(ahead(&mut queue, "late", "late-0"), 0);
        assert_eq!(ahead(&mut queue, "crowd", "100"), 0, "it is owed nothing for the time before");
        assert_eq!(ahead(&mut queue, "late", "late-5"), 5 + 5, "turn by turn");
        assert_eq!(ahead(&mut queue, "late", "late-49"), 49 + 10);
    }

    #[test]
    fn what_a_line_is_given_without_waiting_counts_too() {
        let mut queue = contest();
        for given in 0..5 {
            assert_eq!(ahead(&mut queue, "late", "late"), given, "calls of the crowd that go first now");
            queue.served(Class::Start, &turn("late", "late"), 1);
        }
    }

    #[test]
    fn who_lapses_has_had_its_turn_and_who_comes_in_time_has_not() {
        let mut queue = contest();
        queue.waits(Class::Start, &turn("crowd", "100"), 1, NOW + GRACE);
        assert_eq!(queue.ahead(Class::Start, &turn("crowd", "new"), NOW + GRACE).all, 1, "nine have not come back");
        assert_eq!(queue.places(), 1);
        let late = queue.ahead(Class::Start, &turn("late", "late"), NOW + GRACE);
        assert_eq!(late.all, 0);
    }

    #[test]
    fn those_who_were_to_come_are_awaited() {
        let mut queue = contest();
        queue.waits(Class::Start, &turn("crowd", "100"), 3, NOW + GRACE);
        assert_eq!(queue.awaited(&turn("late", "late"), NOW, 100), 9);
        assert_eq!(queue.awaited(&turn("crowd", "105"), NOW, 100), 8, "not oneself");
        assert_eq!(queue.awaited(&turn("late", "late"), NOW + GRACE, 100), 12);
        assert_eq!(queue.awaited(&turn("late", "late"), NOW + GRACE, 3), 4, "more than enough is not counted");
    }
}
