"""The texts about votes in Russian."""

from __future__ import annotations

from agent_bridge.i18n.vote_texts import VoteTexts

RUSSIAN_VOTES = VoteTexts(
    vote=("голос", "голоса", "голосов"),
    problems={
        "no_question": "Какой вопрос? Возьмите его в кавычки: `{prefix} vote new «Обед?» пицца | паста`.",
        "question_too_long": "Вопрос слишком длинный: в нём может быть не больше {most} знаков.",
        "few_answers": "Нужно не меньше {most} ответов, разделённых знаком `|`.",
        "many_answers": "Ответов может быть не больше {most}.",
        "answer_too_long": "Ответ *{words}* слишком длинный: в нём может быть не больше {most} знаков.",
        "same_answers": "Ответ *{words}* повторяется.",
        "no_time": (
            "Непонятное время: *{words}*. Примеры: `до 18:00`, `до завтра 9:00`, `до 2026-12-01 12:00`, "
            "`через 20 минут`. Если эти слова относятся к ответу, возьмите его в кавычки."
        ),
        "past": "Это время уже прошло.",
        "too_far": "Голосование может длиться не дольше {most} дней.",
        "bad_quorum": "Кворум — это число голосующих, от 1 до {most}.",
        "many_votes": "В этой комнате {most} открытых голосований, больше нельзя. Их показывает `{prefix} votes`.",
        "no_votes": "Здесь нет открытых голосований. Начать: `{prefix} vote new`.",
        "no_vote": "В этой комнате нет голосования *{words}*. Их показывает `{prefix} votes`.",
        "which_vote": "Голосований несколько. Поставьте номер перед ответом или после `close`: `{prefix} votes`.",
        "ended": "Голосование {words} закончилось.",
        "not_yours": "Голосование {words} может закончить тот, кто его начал, или модератор.",
        "which_answer": "Какой ответ? Их показывает `{prefix} votes`.",
        "no_answer": "*{words}* — такого ответа нет.",
        "outside": "Для голосования нужна комната, в которой у вас есть роль.",
    },
    opened="Голосование **{number}** началось. {ends}",
    opened_by_text="Если опроса не видно: `{prefix} vote for <ответ>`.",
    opened_until="Оно закончится {moment} или раньше, по команде `{prefix} vote close {number}`.",
    opened_by_hand="Закончить: `{prefix} vote close {number}`.",
    opened_quorum="Для результата нужно: {votes}.",
    closed="Голосование {number} заканчивается.",
    cast="Ваш голос в голосовании {number}: *{answer}*.",
    taken_back="Вы отозвали свой голос в голосовании {number}.",
    today="в {time} ({zone})",
    on_day="{date} в {time} ({zone})",
    none="Здесь нет голосований. Начать: `{prefix} vote new`.",
    head="Голосования:",
    foot="Закончить: `{prefix} vote close <номер>`.",
    entry="**{number}** {question} ({facts})",
    until="закончится {moment}",
    by="от {user}",
    quorum="нужно: {votes}",
    closing="заканчивается",
    ended="закончилось",
    answer="{answer}: {votes}",
    result="Итог голосования {number}: **{question}**",
    line="{answer}: {votes} ({percent} %)",
    winner="Больше всего голосов: **{answer}**",
    tie="Поровну голосов: {answers}",
    nobody="Никто не проголосовал.",
    missed="Результат не действует: {votes} из нужных {quorum}.",
    upgraded="Голосование закончилось, потому что комнату обновили.",
    cancelled="Голосование {number} отменено.",
    refused="Голосование {number} отменено: мне нельзя показывать опросы в этой комнате.",
)
