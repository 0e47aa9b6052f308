"""What must hold of every history, read from the tables alone: no model, no decision of ours repeated."""

from __future__ import annotations

from tests.builders import World


def check(world: World) -> None:
    """Raise AssertionError with the rows that break a promise."""
    assert told_twice(world) == []
    assert overtaken(world) == []
    assert above_the_bound(world) == []
    assert below_the_minimum(world) == []
    assert within_the_wait(world) == []
    assert lost(world) == []


def told_twice(world: World) -> list[object]:
    """Requests with more than one mail, counted where mails arrive and not in our tables."""
    return world.query(
        "SELECT key FROM unnest(CAST(:keys AS text[])) AS key GROUP BY key HAVING count(*) > 1",
        keys=[envelope.key for envelope in world.mail.envelopes],
    ) + world.query(
        "SELECT subscription_id FROM message WHERE state = 'sent' GROUP BY shop_id, subscription_id HAVING count(*) > 1"
    )


def overtaken(world: World) -> list[object]:
    """Whoever was released while somebody older, who might have been, went on waiting.

    Who was imported waited for the next restock, perhaps until they asked once more: of those the model tells.
    """
    return world.query(
        """
        SELECT older.subscription_id, younger.subscription_id
        FROM subscription AS younger
        JOIN batch ON batch.shop_id = younger.shop_id AND batch.batch_id = younger.batch_id
        JOIN subscription AS older
            ON older.shop_id = younger.shop_id AND older.variant_id = younger.variant_id
        WHERE
            older.subscribed_at < younger.subscribed_at
            AND older.created_at < batch.decided_at
            AND younger.state = 'notified'
            AND older.state = 'waiting'
            AND older.batch_id IS NULL
            AND older.source <> 'import'
            AND older.not_before IS NULL
        """
    )


def above_the_bound(world: World) -> list[object]:
    """Batches with more people than units times customers per unit, those in flight included."""
    return world.query(
        "SELECT batch_id FROM batch WHERE released_count + in_flight_count > units * customers_per_unit"
    ) + world.query(
        """
        SELECT batch.batch_id
        FROM batch
        JOIN subscription USING (shop_id, batch_id)
        GROUP BY batch.shop_id, batch.batch_id, batch.released_count
        HAVING count(*) > batch.released_count
        """
    )


def below_the_minimum(world: World) -> list[object]:
    """Batches from less stock than their rule asks for."""
    return world.query("SELECT batch_id FROM batch WHERE units < min_inventory")


def within_the_wait(world: World) -> list[object]:
    """Batches of one variant that follow each other faster than the wait."""
    return world.query(
        """
        SELECT later.batch_id
        FROM batch AS earlier
        JOIN batch AS later
            ON later.shop_id = earlier.shop_id
            AND later.variant_id = earlier.variant_id
            AND later.batch_id > earlier.batch_id
        WHERE
            earlier.customers_per_unit IS NOT NULL
            AND later.decided_at < earlier.decided_at + make_interval(secs => earlier.wait_minutes * 60)
        """
    )


def lost(world: World) -> list[object]:
    """People whose release leads nowhere: no message, or a message that ended without ending the request."""
    return world.query(
        """
        SELECT subscription_id
        FROM subscription
        WHERE state = 'released' AND NOT EXISTS (
            SELECT 1
            FROM message
            WHERE
                message.shop_id = subscription.shop_id
                AND message.subscription_id = subscription.subscription_id
                AND message.batch_id = subscription.batch_id
                AND message.state IN ('queued', 'sending')
        )
        """
    )
