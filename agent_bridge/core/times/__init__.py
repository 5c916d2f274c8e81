"""Times: moments and repetitions in the words of people, and what clocks in a time zone show."""
