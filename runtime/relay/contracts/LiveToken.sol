// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {FeedProxy} from "./FeedProxy.sol";
import {Iridule} from "./Iridule.sol";

/// A token whose metadata, made on chain, names the picture of the state that the contract itself reads off the feed.
/// Small on purpose: who owns what is left to a real ERC-721.
contract LiveToken {
    FeedProxy public immutable feed;
    uint256 public immutable supply;
    string public base;
    string public collection;
    int16 public immutable lowest;
    int256[] private edges;

    /// ERC-4906: marketplaces read the metadata anew.
    event BatchMetadataUpdate(uint256 _fromTokenId, uint256 _toTokenId);

    /// The gauge: its lowest band, and the edges between the bands above, in the feed's own scale.
    constructor(
        FeedProxy feed_,
        string memory base_,
        string memory collection_,
        uint256 supply_,
        int16 lowest_,
        int256[] memory edges_
    ) {
        feed = feed_;
        base = base_;
        collection = collection_;
        supply = supply_;
        lowest = lowest_;
        edges = edges_;
    }

    function bands() public view returns (int16[] memory state) {
        (, int256 answer,,,) = feed.latestRoundData();
        state = new int16[](1);
        state[0] = lowest + Iridule.band(edges, answer);
    }

    /// The pinned URL of the picture as things stand.
    function image(uint256 tokenId) public view returns (string memory) {
        require(tokenId > 0 && tokenId <= supply, "no such token");
        return string.concat(
            base, "/t/", collection, "/", decimal(tokenId), "@", Iridule.stateToken(bands()), ".png"
        );
    }

    function tokenURI(uint256 tokenId) external view returns (string memory) {
        return string.concat(
            'data:application/json;utf8,{"name":"', collection, " #", decimal(tokenId), '","image":"', image(tokenId), '"}'
        );
    }

    /// The identity of a token's picture as things stand.
    function renderKey(bytes32 style, uint256 tokenId, uint8 painter, uint256 variant) external view returns (bytes32) {
        bytes32 seed = Iridule.seed(block.chainid, address(this), tokenId);
        return Iridule.renderKey(style, seed, Iridule.epoch(bands()), painter, variant);
    }

    /// Anyone may say that the pictures have changed; it costs them the gas.
    function announce() external {
        emit BatchMetadataUpdate(1, supply);
    }

    function decimal(uint256 value) private pure returns (string memory) {
        uint256 digits = 1;
        for (uint256 rest = value / 10; rest > 0; rest /= 10) digits++;
        bytes memory out = new bytes(digits);
        for (uint256 i = digits; i > 0; i--) {
            out[i - 1] = bytes1(uint8(48 + value % 10));
            value /= 10;
        }
        return string(out);
    }
}
